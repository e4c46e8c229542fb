// The fold as the contract describes it (stream.proto, StreamCompleteResponse), written by itself for the tests: a client
// has no other code of ours.
import { clone, create } from "@bufbuild/protobuf";
import {
  type CompleteResponse,
  CompleteResponseSchema,
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
  switch (delta.case) {
    case "text":
      if (content.case === "text" || content.case === "refusal") content.value.text += delta.value;
      else if (content.case === "audio") content.value.transcript += delta.value;
      break;
    case "reasoning":
      if (content.case === "reasoning") content.value.text += delta.value;
      break;
    case "argumentsJson":
      if (content.case === "toolCall") content.value.argumentsJson += delta.value;
      break;
    case "citation":
      if (content.case === "text") content.value.citations.push(delta.value);
      break;
    case "state": {
      part.state ??= create(OpaqueStateSchema);
      if (delta.value.provider !== "") part.state.provider = delta.value.provider;
      if (delta.value.itemId !== "") part.state.itemId = delta.value.itemId;
      part.state.data = Buffer.concat([part.state.data, delta.value.data]);
      break;
    }
    case "data":
      if ((content.case === "audio" || content.case === "image") && content.value.source.case === "data") {
        content.value.source.value = Buffer.concat([content.value.source.value, delta.value]);
      }
      break;
    default:
      break;
  }
  if (content.case === "text") content.value.logprobs.push(...logprobs);
}
