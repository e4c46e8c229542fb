import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { decodeBinary, decodeJson } from "../decode-message.ts";

/** How a request body carries its one message. */
export type MessageForm = {
  readonly format: "proto" | "json";
  /** With 5 bytes of flags and length before it. */
  readonly isEnveloped: boolean;
  /** Connect has unary methods without and streams with an envelope; gRPC and gRPC-Web have one for both. */
  readonly kind: "any" | "unary" | "stream";
  /** The header that names the compression of the message. */
  readonly encodingHeader: string;
};

const connectUnary = { kind: "unary", isEnveloped: false, encodingHeader: "content-encoding" } as const;
const connectStream = { kind: "stream", isEnveloped: true, encodingHeader: "connect-content-encoding" } as const;
const grpc = { kind: "any", isEnveloped: true, encodingHeader: "grpc-encoding" } as const;

const formByContentType: ReadonlyMap<string, MessageForm> = new Map(
  Object.entries({
    "application/proto": { format: "proto", ...connectUnary },
    "application/json": { format: "json", ...connectUnary },
    "application/connect+proto": { format: "proto", ...connectStream },
    "application/connect+json": { format: "json", ...connectStream },
    "application/grpc": { format: "proto", ...grpc },
    "application/grpc+proto": { format: "proto", ...grpc },
    "application/grpc+json": { format: "json", ...grpc },
    "application/grpc-web": { format: "proto", ...grpc },
    "application/grpc-web+proto": { format: "proto", ...grpc },
    "application/grpc-web+json": { format: "json", ...grpc },
  }),
);

/** `undefined`: a content type that no method takes, or not this kind of method. */
export function messageFormOf(contentType: string | undefined, methodKind: string): MessageForm | undefined {
  const form = formByContentType.get((contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "");
  return form === undefined || form.kind === "any" || (form.kind === "unary") === (methodKind === "unary")
    ? form
    : undefined;
}

/** Throws `CallFailure` INVALID_REQUEST. */
export function readMessage<Desc extends DescMessage>(
  schema: Desc,
  format: MessageForm["format"],
  bytes: Uint8Array,
): MessageShape<Desc> {
  return format === "json" ? decodeJson(schema, bytes) : decodeBinary(schema, bytes);
}

/** A body with an empty message, for connect-node to read in place of the one that was read already. */
export function emptyBodyOf(form: MessageForm): Uint8Array {
  const message = form.format === "json" ? "{}" : "";
  return Buffer.from(form.isEnveloped ? `\0\0\0\0${String.fromCharCode(message.length)}${message}` : message);
}
