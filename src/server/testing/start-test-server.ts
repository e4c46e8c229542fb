import { create } from "@bufbuild/protobuf";
import {
  CorrectUsageResponseSchema,
  ErrorReason,
  ExplainResponseSchema,
  GetModelResponseSchema,
  ListModelsResponseSchema,
  ListUsageEventsResponseSchema,
  QueryUsageResponseSchema,
  WatchUsageEventsResponseSchema,
} from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { Caller } from "../../domain/principal.ts";
import type { HandshakeRefusal } from "../handshake-refusal.ts";
import type { RunningServer, ServerOptions } from "../serve-calls.ts";
import { startServer } from "../server.ts";
import type { Services } from "../services.ts";
import { FakeGateway } from "./fake-gateway.ts";

export type TestServer = {
  readonly server: RunningServer;
  readonly gateway: FakeGateway;
  /** E.g. "http://127.0.0.1:43210". */
  readonly url: string;
  /** What was logged, as JSON lines. */
  readonly logged: string[];
  /** Why clients got no TLS connection, one after the other. */
  readonly refusedHandshakes: HandshakeRefusal[];
  isReady: boolean;
};

const caller: Caller = {
  organisationId: "",
  teamId: "",
  projectId: "search",
  keyId: "key-1",
  service: "",
  roles: ["inference", "usage"],
  models: ["*"],
};

export async function startTestServer(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const gateway = new FakeGateway();
  const logged: string[] = [];
  const refusedHandshakes: HandshakeRefusal[] = [];
  const log = (fields: Readonly<Record<string, unknown>>, message: string) => {
    logged.push(JSON.stringify({ ...fields, message }));
  };
  const services: Services = {
    gateway,
    authenticate: ({ header }) => {
      if (header("authorization") !== "Bearer good") {
        throw new CallFailure(ErrorReason.CREDENTIALS_INVALID, "no or wrong key");
      }
      return caller;
    },
    explain: () => create(ExplainResponseSchema),
    models: {
      list: () => create(ListModelsResponseSchema, { models: [{ modelId: "echo" }] }),
      get: (_caller, { modelId }) => {
        if (modelId === "bug") {
          throw new TypeError("a bug that quotes sk-secret");
        }
        if (modelId !== "echo") {
          const resource = { type: "model", name: modelId };
          throw new CallFailure(ErrorReason.MODEL_NOT_FOUND, "no such model", { resource });
        }
        return create(GetModelResponseSchema, { model: { modelId } });
      },
    },
    usage: {
      query: () => create(QueryUsageResponseSchema),
      list: () => create(ListUsageEventsResponseSchema),
      watch: async function* (_caller, _request, signal) {
        yield create(WatchUsageEventsResponseSchema, { cursor: "1" });
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
      correct: () => create(CorrectUsageResponseSchema),
    },
  };
  const test = { isReady: true };
  const server = await startServer(
    {
      host: "127.0.0.1",
      port: 0,
      maxConnections: 100,
      maxStreamsPerConnection: 100,
      maxRequestBytes: 64 * 1024,
      ...options,
    },
    services,
    {
      logger: { error: log, warn: log },
      metrics: { text: () => "calls_total 1\n", contentType: "text/plain; version=0.0.4" },
      isReady: () => test.isReady,
      onHandshakeRefused: (because) => refusedHandshakes.push(because),
    },
  );
  const scheme = options.tls === undefined ? "http" : "https";
  return Object.assign(test, {
    server,
    gateway,
    url: `${scheme}://127.0.0.1:${server.port}`,
    logged,
    refusedHandshakes,
  });
}
