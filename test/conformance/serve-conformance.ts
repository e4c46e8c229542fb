// The server under test, as the suite starts it: what it shall be like comes in on standard input, where it listens goes
// out on standard output, SIGTERM ends it. Everything between the socket and the methods is the gateway's.
import { once } from "node:events";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { serveCalls } from "../../src/server/serve-calls.ts";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/server_compat_pb.ts";
import { conformanceGrpcMethods } from "./grpc-methods.ts";
import { registerConformanceService } from "./register-conformance-service.ts";

const lengthBytes = 4;
const complain = (fields: object, message: string) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
const logger = { error: complain, warn: complain };

const wanted = fromBinary(ServerCompatRequestSchema, await readFramed());
const tls = toTls();
const server = await serveCalls(
  {
    host: "127.0.0.1",
    port: 0,
    maxConnections: 1000,
    maxStreamsPerConnection: 1000,
    maxRequestBytes: wanted.messageReceiveLimit === 0 ? 16 << 20 : wanted.messageReceiveLimit,
    tls,
  },
  {
    grpcMethods: conformanceGrpcMethods,
    gateway: { open: () => Promise.reject(new Error("no inference is served here")) },
    register: (router) => registerConformanceService(router, logger),
  },
  { logger, metrics: { text: () => "", contentType: "text/plain" }, isReady: () => true },
);
const listening = create(ServerCompatResponseSchema, {
  host: server.address,
  port: server.port,
  pemCert: tls?.cert ?? new Uint8Array(),
});
process.stdout.write(framed(toBinary(ServerCompatResponseSchema, listening)));
await once(process, "SIGTERM");
await server.close(0);

function toTls() {
  const credentials = wanted.useTls ? wanted.serverCreds : undefined;
  if (credentials === undefined) return undefined;
  const clientCa = wanted.clientTlsCert.length === 0 ? undefined : Buffer.from(wanted.clientTlsCert);
  return { cert: Buffer.from(credentials.cert), key: Buffer.from(credentials.key), clientCa };
}

async function readFramed(): Promise<Uint8Array> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length >= lengthBytes && bytes.length >= lengthBytes + bytes.readUInt32BE(0)) break;
  }
  return bytes.subarray(lengthBytes);
}

function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}
