import { connect } from "node:http2";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type CompleteRequestSchema,
  StreamCompleteRequestSchema,
  type StreamCompleteResponse,
  StreamCompleteResponseSchema,
} from "../src/contract.ts";
import { testSecret } from "./gateway-process.ts";

/** A gRPC client that takes nothing off its stream until it is asked to: grpc-js reads ahead without a limit. */
export function readSlowly(port: number, request: MessageInitShape<typeof CompleteRequestSchema>) {
  const session = connect(`http://127.0.0.1:${port}`);
  const stream = session.request({
    ":method": "POST",
    ":path": "/llmgateway.v1.InferenceService/StreamComplete",
    "content-type": "application/grpc",
    authorization: `Bearer ${testSecret}`,
  });
  const message = create(StreamCompleteRequestSchema, { start: { case: "request", value: request } });
  stream.end(toFrame(toBinary(StreamCompleteRequestSchema, message)));
  return {
    rest: async (): Promise<readonly StreamCompleteResponse[]> => {
      const pieces: Buffer[] = [];
      for await (const piece of stream) pieces.push(piece);
      const messages: StreamCompleteResponse[] = [];
      const bytes = Buffer.concat(pieces);
      for (let at = 0; at < bytes.length; ) {
        const end = at + 5 + bytes.readUInt32BE(at + 1);
        messages.push(fromBinary(StreamCompleteResponseSchema, bytes.subarray(at + 5, end)));
        at = end;
      }
      session.close();
      return messages;
    },
  };
}

function toFrame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
