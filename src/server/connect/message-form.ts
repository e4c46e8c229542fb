import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { decodeBinary, decodeJson } from "../decode-message.ts";
import { MessageReader } from "../grpc/message-reader.ts";

/** How a request body carries its one message, from the content type; `undefined`: none that is served. */
export type MessageForm = { readonly encoding: "proto" | "json"; readonly isEnveloped: boolean };

const formByContentType: ReadonlyMap<string, MessageForm> = new Map(
  [
    ["application/proto", "proto", false],
    ["application/json", "json", false],
    ["application/connect+proto", "proto", true],
    ["application/connect+json", "json", true],
    ["application/grpc", "proto", true],
    ["application/grpc+proto", "proto", true],
    ["application/grpc+json", "json", true],
    ["application/grpc-web", "proto", true],
    ["application/grpc-web+proto", "proto", true],
    ["application/grpc-web+json", "json", true],
  ].map(([type, encoding, isEnveloped]) => [
    String(type),
    { encoding: encoding === "json" ? "json" : "proto", isEnveloped: isEnveloped === true },
  ]),
);

export function messageFormOf(contentType: string | undefined): MessageForm | undefined {
  return formByContentType.get((contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "");
}

/** Throws `CallFailure` INVALID_REQUEST. */
export function readMessage<Desc extends DescMessage>(
  schema: Desc,
  form: MessageForm,
  body: Buffer,
  messageBytesMax: number,
): MessageShape<Desc> {
  const bytes = form.isEnveloped ? openEnvelope(body, messageBytesMax) : body;
  return form.encoding === "json" ? decodeJson(schema, bytes) : decodeBinary(schema, bytes);
}

/** A body with an empty message, for connect-node to read in place of the one that was read already. */
export function emptyBodyOf(form: MessageForm): Uint8Array {
  const message = form.encoding === "json" ? "{}" : "";
  return Buffer.from(form.isEnveloped ? `\0\0\0\0${String.fromCharCode(message.length)}${message}` : message);
}

function openEnvelope(body: Buffer, messageBytesMax: number): Uint8Array {
  const reader = new MessageReader(messageBytesMax);
  if (body.length > 0) {
    reader.push(body);
  }
  return reader.end();
}
