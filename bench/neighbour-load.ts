// The noisy tenant, as a process of its own. It prints its line when it is at it, and goes on until it is ended.
//
//   flood   as many small calls as it can, far over its limit: 4 connections with 64 calls at once
//   huge    the same with 4 MiB a call, 4 connections with 4 at once
//   slow    200 long streams over 4 connections whose answers are never read
import { connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { CompleteRequestSchema, Role, StreamCompleteRequestSchema } from "../src/contract.ts";
import { createGrpcTarget } from "./load/grpc-target.ts";
import { neighbourSecrets } from "./neighbour-config.ts";

const [, , port = "", kind = ""] = process.argv;
const origin = `http://127.0.0.1:${port}`;
const path = "/llmgateway.v1.InferenceService";
const secret = neighbourSecrets.noisy;

switch (kind) {
  case "flood":
    await flood("Hi.", 64);
    break;
  case "huge":
    await flood("word ".repeat(800_000), 4);
    break;
  case "slow":
    await openSlowly(200);
    break;
  default:
    throw new Error("say flood, huge or slow");
}
console.log(JSON.stringify({ port: 0 }));

async function flood(text: string, perConnection: number): Promise<void> {
  const shape = { connections: 4, perConnection };
  const message = toBinary(CompleteRequestSchema, create(CompleteRequestSchema, requestOf("limited", text)));
  const target = await createGrpcTarget({ origin, path: `${path}/Complete`, message, secret, shape });
  const slot = async (connection: number): Promise<void> => {
    for (;;) await target.call(connection);
  };
  for (let index = 0; index < shape.connections * perConnection; index += 1) void slot(index % shape.connections);
}

async function openSlowly(streams: number): Promise<void> {
  const sessions = Array.from({ length: 4 }, () => connect(origin));
  const message = toBinary(
    StreamCompleteRequestSchema,
    create(StreamCompleteRequestSchema, {
      start: { case: "request", value: requestOf("long", "Tell me everything.") },
    }),
  );
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  await Promise.all(
    Array.from({ length: streams }, (_, index) => {
      const stream = sessions[index % sessions.length]?.request({
        ":method": "POST",
        ":path": `${path}/StreamComplete`,
        "content-type": "application/grpc+proto",
        te: "trailers",
        authorization: `Bearer ${secret}`,
      });
      if (stream === undefined) throw new Error("no connection");
      stream.end(frame);
      stream.on("error", () => undefined);
      return new Promise((resolve) => stream.once("response", resolve)); // And nothing is ever read.
    }),
  );
}

function requestOf(model: string, text: string) {
  return {
    model,
    messages: [{ role: Role.USER, parts: [{ content: { case: "text" as const, value: { text } } }] }],
    sampling: { maxOutputTokens: 20_000 },
  };
}
