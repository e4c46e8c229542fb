// What every story needs: the simulator, a gateway process in front of it, a client, and the words to ask with.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ClientReadableStream } from "@grpc/grpc-js";
import {
  type CompleteRequestSchema,
  type CompleteResponse,
  InferenceService,
  type Part,
  Role,
  type StreamCompleteResponse,
  type StreamOptionsSchema,
  type UsageEvent,
  UsageService,
} from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { type GatewayOptions, type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { type CallOptions, TestClient } from "../grpc-client.ts";

export type StageOptions = Partial<Omit<GatewayOptions, "yaml">> & {
  /** By model id: the targets in order, as "PROVIDER/MODEL". Providers: see `providersYaml`. */
  readonly models: Readonly<Record<string, readonly string[]>>;
  /** More entries of `providers:`, each a line that begins with "  - "; SIMULATOR stands for the simulator's address. */
  readonly providers?: string | undefined;
  /** More YAML; default: a journal that does not wait for the disk. */
  readonly yaml?: string | undefined;
};

/** Milliseconds of the provider "impatient", one for each kind of patience. */
export const impatientMs = { firstToken: 300, idle: 300, total: 1_500 } as const;

export class Stage {
  readonly simulator: Simulator;
  gateway: GatewayProcess;
  client: TestClient;
  readonly #options: GatewayOptions;

  private constructor(simulator: Simulator, gateway: GatewayProcess, options: GatewayOptions) {
    this.simulator = simulator;
    this.gateway = gateway;
    this.client = new TestClient(gateway.port);
    this.#options = options;
  }

  static async open({ models, providers = "", yaml = journalYaml, ...rest }: StageOptions): Promise<Stage> {
    const simulator = await startSimulator();
    const options = {
      ...rest,
      yaml: `${providersYaml(simulator.url)}${providers.replaceAll("SIMULATOR", simulator.url)}${modelsYaml(models)}${yaml}`,
    };
    return new Stage(simulator, await startGateway(options), options);
  }

  /** For another replica beside this one. */
  get yaml(): string {
    return this.#options.yaml;
  }

  /** Another life over the same folder, perhaps with another config; the one before must have ended. */
  async restart(change: (yaml: string) => string = (yaml) => yaml): Promise<void> {
    this.client.close();
    const yaml = change(this.#options.yaml);
    this.gateway = await startGateway({ ...this.#options, yaml, folder: this.gateway.folder });
    this.client = new TestClient(this.gateway.port);
  }

  async close(): Promise<void> {
    this.client.close();
    await stopGateways();
    await this.simulator.close();
  }

  complete(request: Ask, options?: CallOptions): Promise<CompleteResponse> {
    return this.client.unary(InferenceService.method.complete, request, options);
  }

  stream(
    request: Ask,
    options: MessageInitShape<typeof StreamOptionsSchema> = {},
    call?: CallOptions,
  ): ClientReadableStream<StreamCompleteResponse> {
    const start = { case: "request", value: request } as const;
    return this.client.stream(InferenceService.method.streamComplete, { start, options }, call);
  }

  /** All events of the key's project, however many. */
  async events(options?: CallOptions): Promise<readonly UsageEvent[]> {
    const events: UsageEvent[] = [];
    for (let pageToken = ""; ; ) {
      const page = await this.client.unary(UsageService.method.listUsageEvents, { pageSize: 1000, pageToken }, options);
      events.push(...page.events);
      pageToken = page.nextPageToken;
      if (pageToken === "") return events;
    }
  }

  /** The event of a call, once it is on record. */
  eventOf(responseId: string): Promise<UsageEvent> {
    return eventually(async () => (await this.events()).find((event) => event.responseId === responseId));
  }

  /** The one event of a model that one call has named. */
  eventOfModel(model: string): Promise<UsageEvent> {
    return eventually(async () => {
      const found = (await this.events()).filter((event) => event.requestedModel === model);
      if (found.length > 1) throw new Error(`${found.length} events for one call of ${model}`);
      return found[0];
    });
  }

  /** A number of the metrics page, without labels; `undefined`: not there. */
  async metric(name: string): Promise<number | undefined> {
    const answer = await fetch(`http://127.0.0.1:${this.gateway.port}/metrics`);
    const line = (await answer.text()).split("\n").find((one) => one.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length));
  }
}

export type Ask = MessageInitShape<typeof CompleteRequestSchema>;

export function ask(model: string, text = "Say something about gateways.") {
  return { model, messages: [{ role: Role.USER, parts: [{ content: { case: "text" as const, value: { text } } }] }] };
}

export function textOf(parts: readonly Part[] | undefined): string {
  return (parts ?? []).map(({ content }) => (content.case === "text" ? content.value.text : "")).join("");
}

/** Of a stream's events: the text that was said, in order, resets not heeded. */
export function saidIn(messages: readonly StreamCompleteResponse[]): string {
  return messages
    .map(({ event }) =>
      event.case === "partDelta" && event.value.delta.case === "text" ? event.value.delta.value : "",
    )
    .join("");
}

export function responseIdOf(messages: readonly StreamCompleteResponse[]): string {
  const first = messages[0]?.event;
  return first?.case === "started" ? first.value.responseId : "";
}

/** Reads until an event of this kind came, which is given; the stream goes on. */
export function waitForEvent(
  stream: ClientReadableStream<StreamCompleteResponse>,
  kind: StreamCompleteResponse["event"]["case"],
): Promise<StreamCompleteResponse> {
  return new Promise((resolve, reject) => {
    stream.on("data", (message: StreamCompleteResponse) => {
      if (message.event.case === kind) resolve(message);
    });
    stream.on("error", reject);
    stream.on("end", () => reject(new Error(`the stream ended without ${kind}`)));
  });
}

/** Looks again and again until there is something to see. */
export async function eventually<Value>(
  look: () => Promise<Value | undefined> | Value | undefined,
  patienceMs: number = eventuallyMs,
): Promise<Value> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error("it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const eventuallyMs = 15_000;

const journalYaml = "usage: { journal: { durability: os } }\n";

/** "sim", "claude" and "mistral" speak three wire formats, "impatient" waits shortly, nobody listens at "nowhere". */
function providersYaml(url: string): string {
  const credentials = "credentials: { api_key: { env: TEST_PROVIDER_KEY } }";
  const { firstToken, idle, total } = impatientMs;
  const timeouts = `timeouts: { first_token: ${firstToken}ms, idle: ${idle}ms, total: ${total}ms }`;
  return `
providers:
  - { id: sim, kind: openai, base_url: "${url}", ${credentials} }
  - { id: claude, kind: anthropic, base_url: "${url}", ${credentials} }
  - { id: mistral, kind: mistral, base_url: "${url}", ${credentials} }
  - { id: impatient, kind: openai, base_url: "${url}", ${credentials}, ${timeouts} }
  - { id: nowhere, kind: openai, base_url: "http://127.0.0.1:9", ${credentials} }
`;
}

function modelsYaml(models: StageOptions["models"]): string {
  const lines = Object.entries(models).map(([id, targets]) => {
    const list = targets.map((target) => {
      const [provider, model] = target.split("/");
      return `{ provider: ${provider}, model: "${model}" }`;
    });
    return `  - { id: ${id}, targets: [${list.join(", ")}] }\n`;
  });
  return `models:\n${lines.join("")}`;
}
