// Every field of a chat request, read from the contract itself: a field that is added to it appears here, and the matrix
// fails until somebody says what becomes of it.
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { CompleteRequestSchema } from "../../src/contract.ts";

/**
 * Paths of all leaves, e.g. "sampling.top_k" or "messages[].parts[].image.uri", in the order of the contract. A value of
 * an enum is a leaf of its own: "reasoning.effort=HIGH". Messages within themselves end where they begin again.
 */
export function contractFields(): readonly string[] {
  return fieldsOf(CompleteRequestSchema, "", []);
}

function fieldsOf(message: DescMessage, prefix: string, around: readonly string[]): readonly string[] {
  return message.fields.flatMap((field) => leavesOf(field, `${prefix}${field.name}`, [...around, message.typeName]));
}

function leavesOf(field: DescField, path: string, around: readonly string[]): readonly string[] {
  const place = field.fieldKind === "list" ? `${path}[]` : path;
  if (field.enum !== undefined && field.fieldKind !== "map") {
    const prefix = field.enum.sharedPrefix?.length ?? 0;
    return field.enum.values.filter(({ number }) => number !== 0).map(({ name }) => `${place}=${name.slice(prefix)}`);
  }
  const message = field.fieldKind === "map" ? undefined : field.message;
  if (message === undefined || message.fields.length === 0 || message.typeName.startsWith("google.")) return [place];
  if (around.includes(message.typeName)) return message.fields.map(({ name }) => `${place}.${name}`);
  return fieldsOf(message, `${place}.`, around);
}
