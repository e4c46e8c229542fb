// The fold as the contract describes it (stream.proto, StreamCompleteResponse), written by itself for the tests: a client
// has no other code of ours.
import { clone, create } from "@bufbuild/protobuf";
import {
  type CompleteResponse,
  CompleteResponseSchema,
  type OpaqueState,
  OpaqueStateSchema,
  type Part,
  type PartDelta,
  PartSchema,
  type StreamCompleteResponse,
} from "../src/contract.ts";

export function foldResponses(messages: readonly StreamCompleteResponse[]): CompleteResponse {
  const parts: Part[] = [];
  let response: CompleteResponse | undefined;
  for (const { event } of messages) {
    if (event.case === "partStarted" && event.value.part !== undefined) parts.push(clone(PartSchema, event.value.part));
    else if (event.case === "partDelta") grow(parts[event.value.index], event.value);
    else if (event.case === "partsReset") parts.length = event.value.keepParts;
    else if (event.case === "completed") response = event.value.response;
  }
  if (response?.message === undefined) throw new Error("the stream has no end");
  const folded = clone(CompleteResponseSchema, response);
  if (folded.message !== undefined) folded.message.parts = parts;
  return folded;
}

function grow(part: Part | undefined, { delta, logprobs }: PartDelta): void {
  if (part === undefined) throw new Error("a delta for a part that did not start");
  const { content } = part;
  if (delta.case === "text") growText(content, delta.value);
  else if (delta.case === "reasoning" && content.case === "reasoning") content.value.text += delta.value;
  else if (delta.case === "argumentsJson" && content.case === "toolCall") content.value.argumentsJson += delta.value;
  else if (delta.case === "citation" && content.case === "text") content.value.citations.push(delta.value);
  else if (delta.case === "state") growState(part, delta.value);
  else if (delta.case === "data") growData(content, delta.value);
  if (content.case === "text") content.value.logprobs.push(...logprobs);
}

function growText(content: Part["content"], text: string): void {
  if (content.case === "text" || content.case === "refusal") content.value.text += text;
  else if (content.case === "audio") content.value.transcript += text;
}

function growState(part: Part, { provider, itemId, data }: OpaqueState): void {
  part.state ??= create(OpaqueStateSchema);
  if (provider !== "") part.state.provider = provider;
  if (itemId !== "") part.state.itemId = itemId;
  part.state.data = Buffer.concat([part.state.data, data]);
}

function growData(content: Part["content"], data: Uint8Array): void {
  if (content.case !== "audio" && content.case !== "image") return;
  if (content.value.source.case === "data")
    content.value.source.value = Buffer.concat([content.value.source.value, data]);
}
