import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  CompleteRequestSchema,
  CountTokensRequestSchema,
  type MessageSchema,
  type PartSchema,
  Role,
  StreamCompleteRequestSchema,
} from "../contract.ts";
import { validateComplete, validateCountTokens, validateStreamComplete } from "./validate-request.ts";

type PartInit = MessageInitShape<typeof PartSchema>;

function fieldsOf(...messages: MessageInitShape<typeof MessageSchema>[]): readonly string[] {
  return validateComplete(create(CompleteRequestSchema, { model: "m", messages })).map(({ field }) => field);
}

const text: PartInit = { content: { case: "text", value: { text: "hello" } } };
const call: PartInit = { content: { case: "toolCall", value: { callId: "1", name: "f", argumentsJson: "{" } } };
const result: PartInit = { content: { case: "toolResult", value: { callId: "1", content: [text] } } };
const reasoning: PartInit = { content: { case: "reasoning", value: { text: "hm" } } };
const user = { role: Role.USER, parts: [text] };

describe("validateComplete", () => {
  it("takes a conversation with tools and reasoning, sent back as it came", () => {
    const assistant = { role: Role.ASSISTANT, parts: [reasoning, call] };
    expect(
      fieldsOf(user, assistant, { role: Role.TOOL, parts: [result] }, { role: Role.ASSISTANT, parts: [] }),
    ).toEqual([]);
  });

  it("takes the result of a tool that the provider ran inside the assistant's turn", () => {
    const ran: PartInit = { content: { case: "toolResult", value: { callId: "1", providerExecuted: true } } };
    expect(fieldsOf(user, { role: Role.ASSISTANT, parts: [call, ran] })).toEqual([]);
  });

  it.each([
    ["a tool result of the user", Role.USER, result],
    ["a tool call of the user", Role.USER, call],
    ["reasoning of the system", Role.SYSTEM, reasoning],
    ["text in a tool message", Role.TOOL, text],
    ["a part without content", Role.USER, {}],
  ])("refuses %s", (_name, role, part) => {
    expect(fieldsOf({ role, parts: [part] })).toEqual(["messages[0].parts[0]"]);
  });

  it("asks for the media type of data, also inside a tool result", () => {
    const image: PartInit = {
      content: { case: "image", value: { source: { case: "data", value: new Uint8Array(2) } } },
    };
    const withImage: PartInit = { content: { case: "toolResult", value: { callId: "1", content: [image] } } };
    expect(fieldsOf({ role: Role.USER, parts: [image] }, { role: Role.TOOL, parts: [withImage] })).toEqual([
      "messages[0].parts[0].image.media_type",
      "messages[1].parts[0].tool_result.content[0].image.media_type",
    ]);
  });

  it("takes a part whose kind is newer than this gateway", () => {
    const newer = create(CompleteRequestSchema, { model: "m", messages: [{ role: Role.USER, parts: [{}] }] });
    const part = newer.messages[0]?.parts[0];
    if (part !== undefined) {
      part.$unknown = [{ no: 900, wireType: 2, data: new Uint8Array([0]) }];
    }
    expect(validateComplete(newer)).toEqual([]);
  });

  it("refuses an empty turn of the user", () => {
    expect(fieldsOf({ role: Role.USER, parts: [] })).toEqual(["messages[0].parts"]);
  });

  it("refuses JSON Schemas that are not JSON objects", () => {
    const request = create(CompleteRequestSchema, {
      model: "m",
      messages: [user],
      tools: [{ kind: { case: "function", value: { name: "f", parametersJsonSchema: "[1" } } }],
      responseFormat: { format: { case: "jsonSchema", value: { schemaJson: "[]" } } },
    });
    expect(validateComplete(request).map(({ field }) => field)).toEqual([
      "tools[0].function.parameters_json_schema",
      "response_format.json_schema.schema_json",
    ]);
  });
});

describe("validateStreamComplete and validateCountTokens", () => {
  it("name the fields from the request down", () => {
    const request = { model: "m", messages: [{ role: Role.USER, parts: [call] }] };
    const stream = create(StreamCompleteRequestSchema, { start: { case: "request", value: request } });
    const count = create(CountTokensRequestSchema, { request });
    expect(validateStreamComplete(stream).map(({ field }) => field)).toEqual(["request.messages[0].parts[0]"]);
    expect(validateCountTokens(count).map(({ field }) => field)).toEqual(["request.messages[0].parts[0]"]);
  });

  it("ask for what to start", () => {
    expect(validateStreamComplete(create(StreamCompleteRequestSchema)).map(({ field }) => field)).toEqual(["start"]);
  });
});
