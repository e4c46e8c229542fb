// What the contract says in words: which parts stand in which message, and what must be readable. Lenient where providers
// are: a message taken from a response can always be sent back, an assistant turn may be empty, anyone may send media.
import { type CompleteRequest, type Media, type Message, type Part, Role, type Tool } from "../contract.ts";
import type { Trail } from "./trail.ts";

export function checkContent(request: CompleteRequest, trail: Trail): void {
  forEach("messages", request.messages, trail, checkMessage);
  forEach("tools", request.tools, trail, checkTool);
  const format = request.responseFormat?.format;
  if (format?.case === "jsonSchema" && !isJsonObject(format.value.schemaJson)) {
    reportBelow(["response_format", "json_schema", "schema_json"], "is not a JSON object", trail);
  }
}

function checkMessage(message: Message, trail: Trail): void {
  if (message.parts.length === 0 && message.role !== Role.ASSISTANT) {
    trail.reportAt("parts", "at least one part is needed");
  }
  forEach("parts", message.parts, trail, (part) => {
    const misplaced = misplacement(part, message.role);
    if (misplaced !== undefined) {
      trail.report(misplaced);
    }
    checkPart(part, trail);
  });
}

/** Why the part may not stand in a message of this role; `undefined`: it may. */
function misplacement(part: Part, role: Role): string | undefined {
  const { case: kind, value } = part.content;
  switch (kind) {
    case "toolResult":
      // A provider's own tool answers inside the assistant's turn.
      return role === Role.TOOL || (role === Role.ASSISTANT && value.providerExecuted)
        ? undefined
        : "a tool result stands only in a message of ROLE_TOOL";
    case "toolCall":
    case "reasoning":
    case "refusal":
      return role === Role.ASSISTANT ? undefined : "this part stands only in a message of ROLE_ASSISTANT";
    case undefined:
      return undefined;
    default:
      return role === Role.TOOL ? "a message of ROLE_TOOL contains only tool results" : undefined;
  }
}

function checkPart(part: Part, trail: Trail): void {
  const { content } = part;
  switch (content.case) {
    case "image":
    case "audio":
    case "video":
    case "document":
      trail.enter(content.case);
      checkMedia(content.value, trail);
      trail.leave();
      return;
    case "toolResult":
      trail.enter("tool_result");
      forEach("content", content.value.content, trail, checkResultPart);
      trail.leave();
      return;
    case "provider":
      if (!isJson(content.value.payloadJson)) {
        reportBelow(["provider", "payload_json"], "is not JSON", trail);
      }
      return;
    case undefined:
      // Kinds newer than this gateway arrive as unknown fields; state may stand alone. An empty part is a mistake.
      if ((part.$unknown?.length ?? 0) === 0 && part.state === undefined) {
        trail.report("the part has no content");
      }
      return;
    default:
  }
}

function checkResultPart(part: Part, trail: Trail): void {
  const kind = part.content.case;
  if (kind === "toolCall" || kind === "toolResult" || kind === "reasoning" || kind === "refusal") {
    trail.report("a tool result contains text, media and provider parts only");
    return;
  }
  checkPart(part, trail);
}

function checkMedia(media: Media, trail: Trail): void {
  if (media.source.case === "data" && media.mediaType === "") {
    trail.reportAt("media_type", "is needed with data");
  }
}

function checkTool(tool: Tool, trail: Trail): void {
  const { kind } = tool;
  if (kind.case !== "function" || kind.value.parametersJsonSchema === "") {
    return;
  }
  if (!isJsonObject(kind.value.parametersJsonSchema)) {
    reportBelow(["function", "parameters_json_schema"], "is not a JSON object", trail);
  }
}

function forEach<Item>(name: string, items: readonly Item[], trail: Trail, check: (item: Item, trail: Trail) => void) {
  trail.enter(name);
  for (const [index, item] of items.entries()) {
    trail.enter(index);
    check(item, trail);
    trail.leave();
  }
  trail.leave();
}

function reportBelow(path: readonly string[], description: string, trail: Trail): void {
  for (const segment of path) {
    trail.enter(segment);
  }
  trail.report(description);
  for (const _ of path) {
    trail.leave();
  }
}

function isJsonObject(text: string): boolean {
  const value = parseJson(text);
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isJson(text: string): boolean {
  return parseJson(text) !== undefined;
}

/** `undefined`: not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A SyntaxError is the answer; its message would quote what the caller sent.
    return undefined;
  }
}
