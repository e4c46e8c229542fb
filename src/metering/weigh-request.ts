// Walks everything in a request that costs input tokens, whoever counts the text: the estimate or a tokenizer.
import type { CompleteRequest, Media, Message, Part, Tool } from "../contract.ts";

/** Tokens that stand between the texts: role and separators of a message, the frame of a tool, the start of the answer. */
const frameTokens = { message: 4, tool: 8, request: 3 } as const;

/**
 * Rough tokens of media, from the providers' guides: an image of about a megapixel, an hour of audio at 32 tokens a
 * second and 16 kB a second, a minute of video at 258 tokens a frame, a page of a document of 3 kB and 500 tokens.
 */
const mediaTokens = {
  image: 1_100,
  bytesPerAudioToken: 500,
  bytesPerVideoToken: 1_000,
  bytesPerDocumentToken: 6,
  /** Of audio, video and documents by reference, whose size is not known. */
  byReference: 1_500,
} as const;

type CountText = (text: string) => number;

/** Input tokens of a request, with every text counted by `countText`. A prompt reference must be rendered before. */
export function weighRequest(request: CompleteRequest, countText: CountText): number {
  let tokens: number = frameTokens.request;
  for (const message of request.messages) tokens += weighMessage(message, countText);
  for (const tool of request.tools) tokens += weighTool(tool, countText);
  const format = request.responseFormat?.format;
  if (format?.case === "jsonSchema") tokens += countText(format.value.schemaJson);
  return tokens + weighOptions(request.providerOptions, countText);
}

/** Texts of a request may stand there too, e.g. documents to answer from. */
function weighOptions(options: CompleteRequest["providerOptions"], countText: CountText): number {
  let tokens = 0;
  for (const provider in options) tokens += countText(JSON.stringify(options[provider]));
  return tokens;
}

function weighMessage(message: Message, countText: CountText): number {
  let tokens: number = frameTokens.message;
  if (message.name !== "") tokens += countText(message.name);
  for (const part of message.parts) tokens += weighPart(part, countText);
  return tokens;
}

function weighPart(part: Part, countText: CountText): number {
  return weighContent(part, countText) + weighOptions(part.providerOptions, countText);
}

function weighContent({ content }: Part, countText: CountText): number {
  switch (content.case) {
    case "text":
    case "reasoning":
    case "refusal":
      return countText(content.value.text);
    case "toolCall":
      return frameTokens.tool + countText(content.value.name) + countText(content.value.argumentsJson);
    case "toolResult":
      return content.value.content.reduce<number>((sum, part) => sum + weighPart(part, countText), frameTokens.tool);
    case "image":
      return mediaTokens.image;
    case "audio":
      return weighMedia(content.value, mediaTokens.bytesPerAudioToken);
    case "video":
      return weighMedia(content.value, mediaTokens.bytesPerVideoToken);
    case "document":
      return weighMedia(content.value, mediaTokens.bytesPerDocumentToken);
    case "provider":
      return countText(content.value.payloadJson);
    default:
      return 0; // A kind of part that a newer client knows.
  }
}

function weighMedia(media: Media, bytesPerToken: number): number {
  if (media.source.case !== "data") return mediaTokens.byReference;
  return Math.ceil(media.source.value.length / bytesPerToken);
}

function weighTool(tool: Tool, countText: CountText): number {
  return frameTokens.tool + weighKind(tool, countText) + weighOptions(tool.providerOptions, countText);
}

function weighKind({ kind }: Tool, countText: CountText): number {
  switch (kind.case) {
    case "function":
      return (
        countText(kind.value.name) + countText(kind.value.description) + countText(kind.value.parametersJsonSchema)
      );
    case "freeForm":
      return countText(kind.value.name) + countText(kind.value.description);
    default:
      return 0; // The provider puts its own tools into the prompt; how long their texts are it does not tell.
  }
}
