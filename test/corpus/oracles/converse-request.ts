// A recorded request of Converse, told in the words of the contract: the way back of what the adapter does, written without
// looking at it. What the contract has no word for goes into `provider_options`.
import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type CompleteRequest,
  CompleteRequestSchema,
  type MessageSchema,
  type PartSchema,
  Role,
  ToolMode,
  type ToolSchema,
} from "../../../src/contract.ts";
import { at, listAt, numberAt, type Raw, textAt } from "../raw-json.ts";

type PartInit = MessageInitShape<typeof PartSchema>;
type MessageInit = MessageInitShape<typeof MessageSchema>;

const modelled: ReadonlySet<string> = new Set(["messages", "system", "inferenceConfig", "toolConfig", "outputConfig"]);

/** The model stands in the address. */
export function converseRequestToContract(raw: JsonObject, model: string): CompleteRequest {
  const rest = Object.fromEntries(Object.entries(raw).filter(([name]) => !modelled.has(name)));
  const system = withBreakpoints(listAt(raw, "system"), toPart);
  const schema = at(raw, "outputConfig", "textFormat", "structure", "jsonSchema");
  return create(CompleteRequestSchema, {
    model,
    messages: [
      ...(system.length > 0 ? [{ role: Role.SYSTEM, parts: system }] : []),
      ...listAt(raw, "messages").map(toMessage),
    ],
    sampling: {
      maxOutputTokens: numberAt(raw, "inferenceConfig", "maxTokens"),
      temperature: numberAt(raw, "inferenceConfig", "temperature"),
      topP: numberAt(raw, "inferenceConfig", "topP"),
      stopSequences: listAt(raw, "inferenceConfig", "stopSequences").map(String),
    },
    tools: withBreakpoints(listAt(raw, "toolConfig", "tools"), toTool),
    toolChoice: toChoice(at(raw, "toolConfig", "toolChoice")),
    responseFormat:
      schema === undefined
        ? undefined
        : {
            format: {
              case: "jsonSchema",
              value: {
                name: textAt(schema, "name"),
                description: textAt(schema, "description"),
                schemaJson: textAt(schema, "schema"),
              },
            },
          },
    providerOptions: Object.keys(rest).length === 0 ? {} : { "aws.bedrock": rest },
  });
}

/** A cache point is a block of its own there, and a mark on what stands before it here. */
function withBreakpoints<Init extends object>(blocks: readonly Raw[], toInit: (block: Raw) => Init): Init[] {
  return blocks.flatMap((block, index) => {
    if (at(block, "cachePoint") !== undefined) return [];
    const isMarked = at(blocks[index + 1], "cachePoint") !== undefined;
    return [isMarked ? { ...toInit(block), cacheBreakpoint: {} } : toInit(block)];
  });
}

function toMessage(raw: Raw): MessageInit {
  const role = at(raw, "role") === "assistant" ? Role.ASSISTANT : Role.USER;
  return { role, parts: withBreakpoints(listAt(raw, "content"), toPart) };
}

function toPart(block: Raw): PartInit {
  const text = at(block, "text");
  if (typeof text === "string") return { content: { case: "text", value: { text } } };
  const call = at(block, "toolUse");
  if (call !== undefined) {
    const value = {
      callId: textAt(call, "toolUseId"),
      name: textAt(call, "name"),
      argumentsJson: JSON.stringify(at(call, "input")),
    };
    return { content: { case: "toolCall", value } };
  }
  const result = at(block, "toolResult");
  if (result !== undefined) {
    const content = listAt(result, "content").map(toPart);
    const value = { callId: textAt(result, "toolUseId"), content, isError: at(result, "status") === "error" };
    return { content: { case: "toolResult", value } };
  }
  return toMedia(block);
}

const mediaTypes: Readonly<Record<string, string>> = {
  jpeg: "image/jpeg",
  pdf: "application/pdf",
  mp4: "video/mp4",
};

/** Media with members that the contract lacks, such as a document's context, go as they are. */
function toMedia(block: Raw): PartInit {
  const kind = (["image", "document", "video"] as const).find((name) => at(block, name) !== undefined);
  const inner = kind === undefined ? undefined : at(block, kind);
  const bytes = at(inner, "source", "bytes");
  const uri = at(inner, "source", "s3Location", "uri");
  const mediaType = mediaTypes[textAt(inner, "format")];
  if (kind === undefined || mediaType === undefined || (bytes === undefined && uri === undefined)) {
    const value = { provider: "aws.bedrock", kind: "block", payloadJson: JSON.stringify(block) };
    return { content: { case: "provider", value } };
  }
  const source =
    typeof uri === "string"
      ? ({ case: "uri", value: uri } as const)
      : ({ case: "data", value: new Uint8Array(Buffer.from(String(bytes), "base64")) } as const);
  return { content: { case: kind, value: { source, mediaType, title: textAt(inner, "name") } } };
}

function toTool(raw: Raw): MessageInitShape<typeof ToolSchema> {
  const system = textAt(raw, "systemTool", "name");
  if (system !== "") return { kind: { case: "provider", value: { type: `aws.bedrock.${system}` } } };
  const value = {
    name: textAt(raw, "toolSpec", "name"),
    description: textAt(raw, "toolSpec", "description"),
    parametersJsonSchema: JSON.stringify(at(raw, "toolSpec", "inputSchema", "json")),
    strict: at(raw, "toolSpec", "strict") === true,
  };
  return { kind: { case: "function", value } };
}

function toChoice(raw: Raw): { mode: ToolMode; allowedTools: string[] } | undefined {
  if (raw === undefined) return undefined;
  const name = textAt(raw, "tool", "name");
  const isAuto = at(raw, "auto") !== undefined;
  return { mode: isAuto ? ToolMode.AUTO : ToolMode.REQUIRED, allowedTools: name === "" ? [] : [name] };
}
