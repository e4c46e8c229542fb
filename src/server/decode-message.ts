import { type DescMessage, fromBinary, fromJson, type MessageShape } from "@bufbuild/protobuf";
import { isFieldError } from "@bufbuild/protobuf/reflect";
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";

/** Throws `CallFailure` INVALID_REQUEST when the bytes are no message of the type, or a text in it is not UTF-8. */
export function decodeBinary<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw unreadable(schema, "protobuf", error);
  }
}

/**
 * As `decodeBinary`, for the JSON form. A field that is not in the contract is refused, as protobuf's JSON mapping has it:
 * most are typing errors ("maxtokens"), and what a caller sent is never dropped silently. The binary form keeps unknown
 * fields, so that callers with a newer contract are served there.
 */
export function decodeJson<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return fromJson(schema, JSON.parse(text));
  } catch (error) {
    throw unreadable(schema, "JSON", error);
  }
}

/** The error's own text may quote the request, so that only the field's name is told. */
function unreadable(schema: DescMessage, form: string, error: unknown): CallFailure {
  const unknownField = unknownFieldOf(error);
  const field = unknownField ?? knownFieldOf(error) ?? "";
  const description =
    unknownField === undefined ? `cannot be read as ${form} of ${schema.typeName}` : "is no field of the contract";
  const subject = unknownField === undefined ? "the request" : "a field of the request";
  return new CallFailure(ErrorReason.INVALID_REQUEST, `${subject} ${description}`, {
    violations: [{ field, description }],
    cause: error,
  });
}

/** protobuf-es wraps the error that knows the field when it reads JSON. */
function knownFieldOf(error: unknown): string | undefined {
  const cause = error instanceof Error && isFieldError(error.cause) ? error.cause : error;
  return isFieldError(cause) ? cause.field().name : undefined;
}

/** protobuf-es says so only in words. */
function unknownFieldOf(error: unknown): string | undefined {
  return error instanceof Error ? /: key "(.*)" is unknown$/s.exec(error.message)?.[1] : undefined;
}
