import { create } from "@bufbuild/protobuf";
import { type Part, PartSchema } from "../contract.ts";

/** A text as the inputs of an operation have it. */
export function textPart(text: string): Part {
  return create(PartSchema, { content: { case: "text", value: { text } } });
}
