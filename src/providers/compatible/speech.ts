// Speech as OpenAI has it (API reference, "Create speech"): the bytes of the audio as they come, or events that end with
// the counts by which the gpt models are billed.
import { create } from "@bufbuild/protobuf";
import { type StreamSpeechRequest, type Usage, UsageSchema, UsageSource } from "../../contract.ts";
import type { HttpHeaders } from "../../domain/http.ts";
import type { OperationFacts } from "../../domain/operation-results.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import { createDecoder } from "../../wire/framings.ts";
import { asObject, asString, type JsonRecord } from "../../wire/json.ts";
import type { WireEvent } from "../../wire/wire-event.ts";
import { fromBase64 } from "../data-url.ts";
import { postJson, toTranslation } from "../post-json.ts";
import type { SpeechOperation, SpeechReader } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { toTokenCount } from "../token-count.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { wordTable } from "../word-table.ts";
import { toFailureInside } from "./failure.ts";
import type { OperationRules } from "./operation-rules.ts";
import { parseOrUndefined } from "./parse-or-undefined.ts";

/** The API wants a voice. */
const voiceDefault = "alloy";
/** An event holds a few seconds of audio. */
const eventBytesMax = 16 << 20;

export function createSpeechOperation(rules: OperationRules): SpeechOperation {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      const { text, voice, speed, context } = request;
      const body = {
        model,
        input: text,
        voice: voice || voiceDefault,
        instructions: toInstructions(request, model, log),
        response_format: toFormat(request.mediaType, log),
        speed,
        stream_format: givesEvents(model, rules) ? "sse" : undefined,
        ...providerOptionsOf(context?.providerOptions ?? {}, rules.aliases),
      };
      if (request.languageCode !== "") log.dropped("language_code", "the provider hears the language from the text");
      if ((context?.endUserId ?? "") !== "") {
        log.dropped("context.end_user_id", "the provider takes no ids of end users");
      }
      return toTranslation(log, () => [
        postJson(rules.origin, rules.pathOf("/audio/speech", model), body, { accept: "*/*" }),
      ]);
    },
    createReader: (headers, request) =>
      /^text\/event-stream/i.test(headers["content-type"] ?? "")
        ? new EventSpeechReader(request)
        : new PlainSpeechReader(headers, request),
  };
}

/** "Not supported for tts-1 or tts-1-hd"; servers of others send bytes only. */
function givesEvents(model: string, { dialect }: OperationRules): boolean {
  return (dialect.id === "openai" || dialect.id === "azure-openai") && /gpt-.*tts/.test(model);
}

function toInstructions(request: StreamSpeechRequest, model: string, log: TranslationLog): string | undefined {
  if (request.instructions === "") return undefined;
  if (!/(^|\/)tts-1/.test(model)) return request.instructions;
  log.dropped("instructions", "the model takes none");
  return undefined;
}

const formats = wordTable<string>({
  "audio/mpeg": "mp3",
  "audio/mp3": "mp3",
  "audio/opus": "opus",
  "audio/ogg": "opus",
  "audio/aac": "aac",
  "audio/flac": "flac",
  "audio/wav": "wav",
  "audio/x-wav": "wav",
  "audio/pcm": "pcm",
  "audio/l16": "pcm",
});

const typesByFormat = wordTable<string>({
  mp3: "audio/mpeg",
  opus: "audio/ogg",
  aac: "audio/aac",
  flac: "audio/flac",
  wav: "audio/wav",
  pcm: "audio/pcm;rate=24000",
});

function toFormat(mediaType: string, log: TranslationLog): string | undefined {
  if (mediaType === "") return undefined;
  const format = formats[bareType(mediaType)];
  if (format === undefined) log.unsupported("media_type", "the provider has no such format of audio");
  return format;
}

/** What was asked for, which the events do not repeat; MP3 unless said otherwise. */
function askedType({ mediaType }: StreamSpeechRequest): string {
  return typesByFormat[formats[bareType(mediaType)] ?? "mp3"] ?? "audio/mpeg";
}

function bareType(mediaType: string): string {
  return mediaType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** The body is the audio. */
class PlainSpeechReader implements SpeechReader {
  readonly mediaType: string;

  constructor(headers: HttpHeaders, request: StreamSpeechRequest) {
    const given = headers["content-type"] ?? "";
    if (/^(?:text\/|application\/json)/i.test(given)) {
      throw new ProviderFailure("bad-response", "the provider's answer is no audio");
    }
    this.mediaType = /^audio\//i.test(given) && bareType(given) !== "audio/pcm" ? given : askedType(request);
  }

  read(bytes: Uint8Array): readonly Uint8Array[] {
    return [bytes];
  }

  finish(): OperationFacts {
    return { usage: undefined, responseModel: "", warnings: [] };
  }
}

class EventSpeechReader implements SpeechReader {
  readonly mediaType: string;
  readonly #decoder = createDecoder("sse", { eventBytesMax });
  #done = false;
  #usage: Usage | undefined;

  constructor(request: StreamSpeechRequest) {
    this.mediaType = askedType(request);
  }

  read(bytes: Uint8Array): readonly Uint8Array[] {
    return this.#decoder.push(bytes).flatMap((event) => this.#take(event));
  }

  finish(): OperationFacts {
    for (const event of this.#decoder.finish()) this.#take(event);
    if (!this.#done) throw new ProviderFailure("interrupted", "the speech ended before its last event");
    return { usage: this.#usage, responseModel: "", warnings: [] };
  }

  #take({ data }: WireEvent): readonly Uint8Array[] {
    if (data === "[DONE]") return [];
    const event = asObject(parseOrUndefined(data));
    if (event === undefined) throw new ProviderFailure("bad-response", "an event of the speech is no JSON object");
    if (event["error"] !== undefined && event["error"] !== null) throw toFailureInside(event);
    if (event["type"] === "speech.audio.done") {
      this.#done = true;
      this.#usage = toSpeechUsage(asObject(event["usage"]));
    }
    const audio = event["type"] === "speech.audio.delta" ? asString(event["audio"]) : undefined;
    return audio === undefined ? [] : [fromBase64(audio)];
  }
}

function toSpeechUsage(raw: JsonRecord | undefined): Usage | undefined {
  const inputTokens = toTokenCount(raw?.["input_tokens"]);
  const outputTokens = toTokenCount(raw?.["output_tokens"]);
  if (inputTokens === undefined || outputTokens === undefined) return undefined;
  const source = UsageSource.PROVIDER;
  return create(UsageSchema, { inputTokens, outputTokens, audioOutputTokens: outputTokens, source });
}
