// Three providers over real HTTP, of which one is dead, slow, rate-limited, failing or breaking its answers off, each in
// turn: how many calls of real gRPC clients succeed, and with how many attempts. What must be said is asked of a fourth.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { AttemptOutcome, InferenceService, RecoveryMode, type UsageEvent, UsageService } from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { foldResponses } from "../fold-responses.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { collect, TestClient } from "../grpc-client.ts";
import { ask, saidIn, textOf } from "../stories/stage.ts";

const healthyModel = "sim-tokens-24";

/** What the afflicted target does. `undefined`: nobody listens where it should be. */
export const afflictions = {
  dead: undefined,
  "never answers": `${healthyModel}+silent`,
  "first byte late": `${healthyModel}+slow-first-token-60000`,
  "rate-limited": `${healthyModel}+fail-429-retry-after-2`,
  "answers 500": `${healthyModel}+fail-500`,
  "answers 503": `${healthyModel}+fail-503`,
  "resets connections": `${healthyModel}+reset`,
  "cuts streams": `${healthyModel}+cut-after-8`,
  "ends streams early": `${healthyModel}+end-after-8`,
  "stalls in the middle": `${healthyModel}+stall-after-8`,
} as const satisfies Record<string, string | undefined>;

export type Affliction = keyof typeof afflictions;

export type RoutingSuiteOptions = {
  readonly strategies: readonly string[];
  /** For each affliction, afflicted target and strategy; half unary, half streamed. */
  readonly calls: number;
  readonly say: (line: string) => void;
};

export type RoutingReport = {
  readonly calls: number;
  readonly succeeded: number;
  /** Of those that succeeded: text that is not what was expected. */
  readonly wrongTexts: number;
  readonly streamsRestarted: number;
  /** Calls with more attempts than their budget, by what the simulators saw and by their usage events. */
  readonly overBudget: number;
  readonly attempts: number;
  readonly eventsMissing: number;
  readonly failures: Readonly<Record<string, number>>;
};

const targets = [0, 1, 2] as const;
const maxAttempts = 3;
const deadlineMs = 20_000;
const callersAtOnce = 16;
/** Fewer than the requests that a simulator remembers, whatever the attempts. */
const batch = 120;

export async function runRoutingSuite(options: RoutingSuiteOptions): Promise<RoutingReport> {
  const simulators = await Promise.all(targets.map(() => startSimulator()));
  const oracle = await startSimulator();
  const gateway = await startGateway({ yaml: await toYaml(simulators, options.strategies) });
  const client = new TestClient(gateway.port);
  const suite = new Suite(client, simulators, oracle);
  try {
    for (const strategy of options.strategies) {
      for (const affliction of afflictionNames) {
        for (const target of targets) await suite.run(modelOf(strategy, affliction, target), options.calls);
        options.say(`${strategy}, one target ${affliction}: ${suite.report.succeeded} of ${suite.report.calls} so far`);
      }
    }
    return await suite.finish(gateway);
  } finally {
    client.close();
    await stopGateways();
    await Promise.all([...simulators, oracle].map((simulator) => simulator.close()));
  }
}

const afflictionNames = Object.keys(afflictions) as readonly Affliction[];

type Counts = { -readonly [Name in keyof RoutingReport]: RoutingReport[Name] } & { failures: Record<string, number> };

class Suite {
  readonly report: Counts = {
    calls: 0,
    succeeded: 0,
    wrongTexts: 0,
    streamsRestarted: 0,
    overBudget: 0,
    attempts: 0,
    eventsMissing: 0,
    failures: {},
  };
  readonly #client: TestClient;
  readonly #simulators: readonly Simulator[];
  readonly #oracle: Simulator;

  constructor(client: TestClient, simulators: readonly Simulator[], oracle: Simulator) {
    this.#client = client;
    this.#simulators = simulators;
    this.#oracle = oracle;
  }

  async run(model: string, calls: number): Promise<void> {
    for (let done = 0; done < calls; done += batch) {
      const names = Array.from({ length: Math.min(batch, calls - done) }, () => randomUUID());
      const queue = names.entries();
      const callers = Array.from({ length: callersAtOnce }, async () => {
        for (const [index, name] of queue) await this.#call(model, name, (done + index) % 2 === 0);
      });
      await Promise.all(callers);
      for (const name of names) if (this.#seen(name) > maxAttempts) this.report.overBudget += 1;
    }
  }

  async #call(model: string, name: string, isStream: boolean): Promise<void> {
    this.report.calls += 1;
    const question = `Say something about the call ${name}.`;
    try {
      const text = isStream ? await this.#stream(model, question) : await this.#unary(model, question);
      this.report.succeeded += 1;
      if (text !== (await this.#expected(question))) this.report.wrongTexts += 1;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.report.failures[reason] = (this.report.failures[reason] ?? 0) + 1;
    }
  }

  async #unary(model: string, question: string): Promise<string> {
    const answer = await this.#client.unary(InferenceService.method.complete, ask(model, question), { deadlineMs });
    return textOf(answer.message?.parts);
  }

  /** A client that can withdraw what it showed: what it shows at the end is what counts. */
  async #stream(model: string, question: string): Promise<string> {
    const start = { case: "request", value: ask(model, question) } as const;
    const options = { recovery: RecoveryMode.RESTART };
    const request = { start, options };
    const { messages, error } = await collect(
      this.#client.stream(InferenceService.method.streamComplete, request, { deadlineMs }),
    );
    if (error !== undefined) throw error;
    const isRestarted = messages.some(({ event }) => event.case === "partsReset");
    if (isRestarted) this.report.streamsRestarted += 1;
    const text = textOf(foldResponses(messages).message?.parts);
    if (!isRestarted && saidIn(messages) !== text) this.report.wrongTexts += 1;
    return text;
  }

  async #expected(question: string): Promise<string> {
    const body = { model: healthyModel, messages: [{ role: "user", content: question }] };
    const headers = { "content-type": "application/json", authorization: "Bearer any" };
    const init = { method: "POST", headers, body: JSON.stringify(body) };
    const answer = await fetch(`${this.#oracle.url}/v1/chat/completions`, init);
    const read = (await answer.json()) as {
      readonly choices: readonly { readonly message: { readonly content: string } }[];
    };
    return read.choices[0]?.message.content ?? "";
  }

  #seen(name: string): number {
    return this.#simulators.reduce(
      (sum, { requests }) => sum + requests.filter(({ body }) => body.includes(name)).length,
      0,
    );
  }

  /** The events have the last word on attempts: nobody saw those at a dead target. */
  async finish(gateway: GatewayProcess): Promise<RoutingReport> {
    const { report } = this;
    const events = await this.#events();
    report.eventsMissing = report.calls - events.length;
    for (const { attempts } of events) {
      const made = attempts.filter(({ outcome }) => outcome !== AttemptOutcome.SKIPPED).length;
      report.attempts += made;
      if (made > maxAttempts) report.overBudget += 1;
    }
    gateway.kill("SIGTERM");
    await gateway.exited;
    return report;
  }

  async #events(): Promise<readonly UsageEvent[]> {
    const events: UsageEvent[] = [];
    for (let pageToken = ""; ; ) {
      const page = await this.#client.unary(UsageService.method.listUsageEvents, { pageSize: 1000, pageToken });
      events.push(...page.events);
      pageToken = page.nextPageToken;
      if (pageToken === "") return events;
    }
  }
}

function modelOf(strategy: string, affliction: Affliction, target: number): string {
  return `${strategy}-${affliction.replaceAll(" ", "-")}-${target}`;
}

async function toYaml(simulators: readonly Simulator[], strategies: readonly string[]): Promise<string> {
  const credentials = "credentials: { api_key: { env: TEST_PROVIDER_KEY } }";
  const timeouts = "timeouts: { connect: 1s, first_token: 1s, idle: 1s, total: 5s }";
  const providers = simulators.map(
    ({ url }, index) => `  - { id: sim${index}, kind: openai, base_url: "${url}", ${credentials}, ${timeouts} }`,
  );
  const dead = `  - { id: nowhere, kind: openai, base_url: "http://127.0.0.1:${await deadPort()}", ${credentials} }`;
  const models = strategies.flatMap((strategy) =>
    afflictionNames.flatMap((affliction) =>
      targets.map((afflicted) => {
        const list = targets.map((target) => {
          const model = target === afflicted ? afflictions[affliction] : healthyModel;
          return model === undefined
            ? `{ provider: nowhere, model: m }`
            : `{ provider: sim${target}, model: "${model}" }`;
        });
        const head = `id: ${modelOf(strategy, affliction, afflicted)}, strategy: ${strategy}`;
        return `  - { ${head}, retry: { max_attempts: ${maxAttempts} }, targets: [${list.join(", ")}] }`;
      }),
    ),
  );
  return `
usage: { journal: { durability: os } }
providers:
${[...providers, dead].join("\n")}
models:
${models.join("\n")}
`;
}

/** A port of the loopback at which nobody listens: one that was free a moment ago. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (typeof address !== "object" || address === null) throw new Error("no free port");
  return address.port;
}
