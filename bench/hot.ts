// Micro benchmarks of what runs for each call and each chunk, without sockets: the numbers that a profile is compared with.
// One process, one core; median of rounds.
//
//   node bench/hot.ts [part of a name]      with --cpu-prof for a profile
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createCatalogue } from "../src/catalogue/create-catalogue.ts";
import { createTargets } from "../src/cli/compose/create-targets.ts";
import { createPooledRandom } from "../src/cli/compose/pooled-random.ts";
import type { Config } from "../src/config/config.ts";
import {
  CompleteRequestSchema,
  CompleteResponseSchema,
  Role,
  StreamCompleteRequestSchema,
  UsageEventSchema,
} from "../src/contract.ts";
import { compileEncoder } from "../src/encoding/compile-encoder.ts";
import { CompletionGateway } from "../src/pipeline/gateway.ts";
import { defaultPipelineLimits } from "../src/pipeline/pipeline-parts.ts";
import { createUuidV7Source } from "../src/pipeline/uuid-v7.ts";
import type { ProviderSettings } from "../src/providers/provider.ts";
import { createRouter } from "../src/routing/router.ts";
import { EventEncoder } from "../src/server/grpc/encode-event.ts";
import { encodeHeaders } from "../src/server/http2/hpack/encode-headers.ts";
import { HeaderDecoder } from "../src/server/http2/hpack/header-decoder.ts";
import { RequestHeaders } from "../src/server/http2/request-headers.ts";
import { continueTrace } from "../src/telemetry/trace-context.ts";
import type { ExchangeHandler, Upstream } from "../src/upstream/upstream.ts";
import { validateComplete } from "../src/validation/validate-request.ts";
import { createDecoder } from "../src/wire/framings.ts";
import { median } from "./load/statistics.ts";
import { burstOf, unaryBody } from "./wire-samples.ts";

const [wanted = ""] = process.argv.slice(2);

const request = create(CompleteRequestSchema, {
  model: "small",
  messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "What is a gateway for?" } } }] }],
  sampling: { maxOutputTokens: 256, temperature: 0.7 },
});
const requestBytes = toBinary(CompleteRequestSchema, request);
const streamRequest = create(StreamCompleteRequestSchema, { start: { case: "request", value: request } });

const catalogue = createCatalogue({ overrides: [] });
const config = {
  providers: [
    {
      settings: { id: "openai", kind: "openai" },
      credentials: { kind: "none" },
      timeouts: { connectMs: 3_000, firstTokenMs: 60_000, idleMs: 30_000, totalMs: 600_000 },
      maxConnections: 1,
      http2: false,
    },
  ],
} satisfies Pick<Config, "providers">;
const { providers, targetOf } = await createTargets(config, catalogue);
const caller = {
  organisationId: "acme",
  teamId: "platform",
  projectId: "search",
  keyId: "k",
  service: "",
  roles: ["inference" as const],
  models: ["*"],
};
const random = createPooledRandom();
const encodeEvent = compileEncoder(UsageEventSchema);
const encodeResponse = compileEncoder(CompleteResponseSchema);

function gatewayOver(upstream: Upstream): CompletionGateway {
  const targets = [
    {
      id: "t",
      providerId: "openai",
      model: "gpt-4.1-mini",
      weight: 1,
      region: "",
      zeroDataRetention: false,
      facts: {},
    },
  ];
  return new CompletionGateway({
    authenticator: { authenticate: () => caller },
    router: createRouter({
      models: [{ id: "small", strategy: "priority", targets, retry: { maxAttempts: 3 }, fallbackModels: [] }],
      targetOf,
      prices: catalogue,
      random: Math.random,
    }),
    admission: { admit: () => ({ reservedNanoUsd: 0n, cancel: () => {}, settle: () => {} }) },
    ledger: {
      start: async (event) => {
        encodeEvent(event);
      },
      progress: () => {},
      finish: async (event) => {
        encodeEvent(event);
      },
    },
    pricer: catalogue,
    credentials: { credential: () => ({ kind: "none" }), refused: () => {} },
    upstream,
    providers,
    observer: { finished: () => {} },
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    newId: createUuidV7Source(random),
    traceOf: (traceparent, tracestate) => continueTrace(traceparent, tracestate, random),
    limits: defaultPipelineLimits,
  });
}

const start = { header: () => undefined, timeoutMs: undefined, peer: undefined };

/** Answers at once with the given pieces, as a socket would on the next turn. */
function answering(contentType: string, pieces: readonly Uint8Array[]): Upstream {
  const exchange = { abort: () => {}, pause: () => {}, resume: () => {} };
  const answer = (handler: ExchangeHandler): void => {
    handler.onStart(200, { "content-type": contentType });
    for (const piece of pieces) handler.onData(piece);
    handler.onEnd();
  };
  return {
    dispatch: (_providerId, _request, handler) => {
      queueMicrotask(() => answer(handler));
      return exchange;
    },
    close: async () => {},
  };
}

type Bench = {
  readonly name: string;
  readonly unit: string;
  readonly perRun: number;
  readonly run: () => Promise<void> | void;
};

function unaryCall(gateway: CompletionGateway): Promise<void> {
  return new Promise((resolve, reject) => {
    const opened = gateway.open({ ...start, method: "Complete" });
    if (opened instanceof Promise) throw new Error("authentication took time");
    const decoded = fromBinary(CompleteRequestSchema, requestBytes);
    if (validateComplete(decoded).length > 0) throw new Error("invalid");
    opened.complete(decoded, {
      succeed: (response) => {
        encodeResponse(response);
        resolve();
      },
      fail: reject,
    });
  });
}

function streamCall(gateway: CompletionGateway): Promise<void> {
  return new Promise((resolve, reject) => {
    const opened = gateway.open({ ...start, method: "StreamComplete" });
    if (opened instanceof Promise) throw new Error("authentication took time");
    const encoder = new EventEncoder();
    opened.streamComplete(streamRequest, {
      push: (sequence, event) => encoder.push(sequence, event),
      flush: () => {
        encoder.take();
        return true;
      },
      succeed: resolve,
      fail: reject,
    });
  });
}

const deltas = 64;
const unaryGateway = gatewayOver(answering("application/json", [unaryBody]));
const burstGateway = gatewayOver(answering("text/event-stream", [Buffer.concat(burstOf("openai", deltas))]));
const pacedGateway = gatewayOver(answering("text/event-stream", burstOf("openai", deltas)));

/** Every wire that an adapter reads; the value is what the adapter needs to be told beside its kind. */
const settingsByWire: Readonly<Record<string, Partial<ProviderSettings>>> = {
  openai: {},
  responses: { kind: "openai", api: "responses" },
  anthropic: {},
  gemini: {},
  bedrock: { region: "us-east-1" },
  cohere: {},
  mistral: {},
  ollama: {},
};

/** As a gRPC client sends them from its second call on: what repeats is an index, the time limit and the trace are new. */
function requestBlock(): Buffer {
  const indexed = (index: number) => Buffer.from([0x80 | index]);
  const literal = (name: string, value: string) =>
    Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
  const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  return Buffer.concat([
    ...[3, 6].map(indexed),
    // The newest has index 62.
    ...keptFields.map((_, position) => indexed(61 + keptFields.length - position)),
    ...[literal("grpc-timeout", "29999m"), literal("traceparent", trace)],
  ]);
}

const keptFields: readonly (readonly [name: string, value: string])[] = [
  [":path", "/llmgateway.v1.InferenceService/Complete"],
  [":authority", "gateway.internal:50051"],
  ["content-type", "application/grpc"],
  ["user-agent", "grpc-go/1.84.0"],
  ["te", "trailers"],
  ["authorization", `Bearer ${"k".repeat(48)}`],
];
const headerDecoder = new HeaderDecoder();
for (const [name, value] of keptFields) {
  const texts = [name, value].map((text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]));
  headerDecoder.decode(Buffer.concat([Buffer.from([0x40]), ...texts]), () => undefined);
}
const block = requestBlock();
let answered = 0;

const benches: readonly Bench[] = [
  {
    name: "decode a request's headers",
    unit: "call",
    perRun: 1,
    run: () => {
      const fields = new RequestHeaders(64 * 1024);
      headerDecoder.decode(block, (field) => fields.add(field));
      if (!fields.isRequest) throw new Error("no request");
    },
  },
  {
    name: "encode a response's headers and trailers",
    unit: "call",
    perRun: 1,
    run: () => {
      answered += 1;
      encodeHeaders({
        ":status": 200,
        "content-type": "application/grpc",
        "grpc-accept-encoding": "identity,gzip",
        "x-request-id": `01990f2a-7b1c-7000-8000-${answered}`,
      });
      encodeHeaders({ "grpc-status": "0" });
    },
  },
  { name: "decode request", unit: "call", perRun: 1, run: () => void fromBinary(CompleteRequestSchema, requestBytes) },
  { name: "validate request", unit: "call", perRun: 1, run: () => void validateComplete(request) },
  { name: "unary call, all but sockets and disk", unit: "call", perRun: 1, run: () => unaryCall(unaryGateway) },
  {
    name: "burst of 64 in one piece, all but sockets",
    unit: "chunk",
    perRun: deltas,
    run: () => streamCall(burstGateway),
  },
  { name: "64 pieces, all but sockets", unit: "chunk", perRun: deltas, run: () => streamCall(pacedGateway) },
  ...(await Promise.all(
    Object.keys(settingsByWire).map(async (wire): Promise<Bench> => {
      const provider = await chatByWire(wire);
      const pieces = burstOf(wire, deltas);
      return {
        name: `read ${wire}'s stream`,
        unit: "chunk",
        perRun: deltas,
        run: () => {
          const decoder = createDecoder(provider.framing, { eventBytesMax: 1 << 20 });
          const reader = provider.createReader({
            model: "m",
            callIdSeed: "c",
            includeProviderMetadata: false,
            includeAllSafetyFindings: false,
          });
          for (const piece of pieces) for (const event of decoder.push(piece)) reader.read(event);
          reader.finish();
        },
      };
    }),
  )),
];

async function chatByWire(wire: string) {
  const settings = { id: wire, kind: wire, ...settingsByWire[wire] };
  const { providers: made } = await createTargets(
    { providers: config.providers.map((one) => ({ ...one, settings })) },
    catalogue,
  );
  const chat = made.get(settings.id)?.provider.chat;
  if (chat === undefined) throw new Error(`${wire} does not chat`);
  return chat;
}

for (const bench of benches) {
  if (!bench.name.includes(wanted)) continue;
  const rounds: number[] = [];
  let runs = 200;
  for (let round = 0; round < 9; round++) {
    const startedMs = performance.now();
    for (let run = 0; run < runs; run++) await bench.run();
    const tookMs = performance.now() - startedMs;
    if (round > 2) rounds.push((tookMs * 1_000) / runs / bench.perRun);
    if (tookMs < 200) runs = Math.ceil((runs * 250) / Math.max(tookMs, 1));
  }
  console.log(`${bench.name.padEnd(44)} ${median(rounds).toFixed(2)} µs/${bench.unit}`);
}
