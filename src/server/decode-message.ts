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

/** As `decodeBinary`, for the JSON form. Fields that are not in the contract are left out, as every Connect server does. */
export function decodeJson<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return fromJson(schema, JSON.parse(text), { ignoreUnknownFields: true });
  } catch (error) {
    throw unreadable(schema, "JSON", error);
  }
}

/** The error's own text may quote the request, so that only the field's name is told. */
function unreadable(schema: DescMessage, form: string, error: unknown): CallFailure {
  const field = isFieldError(error) ? error.field().name : "";
  const description = `cannot be read as ${form} of ${schema.typeName}`;
  return new CallFailure(ErrorReason.INVALID_REQUEST, `the request ${description}`, {
    violations: [{ field, description }],
    cause: error,
  });
}
