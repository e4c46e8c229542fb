// Everything around the pipeline, as objects that satisfy its ports and remember what they were told. The providers are
// the tests' to bring, since this folder knows none.
import type { UsageEvent } from "../../contract.ts";
import type { Caller } from "../../domain/principal.ts";
import type { Target } from "../../domain/target.ts";
import type { Provider } from "../../providers/provider.ts";
import { CompletionGateway } from "../gateway.ts";
import { defaultPipelineLimits, type PipelineLimits, type PipelineParts } from "../pipeline-parts.ts";
import type { CallStart, InferenceMethod, OpenCall, Reservation } from "../ports.ts";
import type { ReplayLimits } from "../replay/replay-store.ts";
import { type GrantingOptions, GrantingRouter } from "./granting-router.ts";
import { ScriptedUpstream, type ScriptStep } from "./scripted-upstream.ts";

export type WorldOptions = Omit<GrantingOptions, "targets"> & {
  /** Each stands for one target, tried in this order. */
  readonly providers: readonly Provider[];
  /** By number of the exchange, from 0. */
  readonly scriptOf: (exchange: number) => readonly ScriptStep[];
  readonly limits?: Partial<PipelineLimits> | undefined;
  readonly replayLimits?: ReplayLimits | undefined;
  readonly parts?: Partial<PipelineParts> | undefined;
};

export const testCaller: Caller = {
  organisationId: "",
  teamId: "",
  projectId: "p",
  keyId: "k",
  service: "",
  roles: ["inference"],
  models: ["*"],
};

export class World {
  readonly gateway: CompletionGateway;
  readonly upstream: ScriptedUpstream;
  readonly router: GrantingRouter;
  readonly finals: UsageEvent[] = [];
  reserved = 0;
  settled = 0;
  observed = 0;
  #ids = 0;

  constructor(options: WorldOptions) {
    const targets = options.providers.map((provider, index) => targetAt(provider, index));
    this.upstream = new ScriptedUpstream(options.scriptOf);
    this.router = new GrantingRouter({ ...options, targets });
    const timeouts = { firstTokenMs: 60_000, idleMs: 60_000, totalMs: 600_000 };
    const parts: PipelineParts = {
      authenticator: { authenticate: () => testCaller },
      router: this.router,
      admission: { admit: () => this.#reserve() },
      ledger: {
        start: () => Promise.resolve(),
        progress: () => {},
        finish: (event) => {
          this.finals.push(event);
          return Promise.resolve();
        },
      },
      pricer: {
        price: ({ inputTokens = 0, outputTokens = 0 }) => ({
          $typeName: "llmgateway.v1.Cost",
          totalNanoUsd: BigInt(inputTokens + outputTokens),
          items: [],
          priceListVersion: "1",
          incomplete: false,
        }),
        mostBilled: ({ usage: { inputTokens = 0, outputTokens = 0 } }) => BigInt(inputTokens + outputTokens),
        prices: () => undefined,
      },
      credentials: { credential: () => ({ kind: "api-key", value: "secret" }), refused: () => {} },
      upstream: this.upstream,
      providers: new Map(options.providers.map((provider, index) => [`p${index}`, { provider, timeouts }])),
      observer: {
        finished: () => {
          this.observed += 1;
        },
      },
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      newId: () => this.#newId(),
      traceOf: () => ({ traceId: "0".repeat(32), spanId: "0".repeat(16) }),
      limits: { ...defaultPipelineLimits, ...options.limits },
      ...options.parts,
    };
    this.gateway = new CompletionGateway(parts, options.replayLimits);
  }

  open(method: InferenceMethod, timeoutMs?: number): OpenCall {
    const start: CallStart = { method, header: () => undefined, timeoutMs, peer: undefined };
    const opened = this.gateway.open(start);
    if (opened instanceof Promise) throw new Error("the authenticator of the tests answers at once");
    return opened;
  }

  /** Plays every exchange to the end of its script, in an order that `choose` decides; default: the oldest first. */
  async playOut(choose: (count: number) => number = () => 0): Promise<void> {
    for (;;) {
      await settled();
      const { playable } = this.upstream;
      const exchange = playable[choose(playable.length) % Math.max(1, playable.length)];
      if (exchange === undefined) return;
      exchange.play();
    }
  }

  /** What is wrong after the last call: empty when every call ended once, and nothing is left of it. */
  get leaks(): readonly string[] {
    const leaks: string[] = [];
    for (const { ends, planned } of this.router.grants) {
      if (ends.length !== 1) leaks.push(`${planned.target.id} ended ${ends.length} times: ${ends.join(", ")}`);
    }
    if (this.gateway.inFlight > 0) leaks.push(`${this.gateway.inFlight} calls in flight`);
    if (this.reserved !== this.settled) leaks.push(`${this.reserved} reservations, ${this.settled} settled`);
    if (this.upstream.open.length > 0) leaks.push(`${this.upstream.open.length} exchanges open`);
    if (this.finals.length !== this.observed) leaks.push(`${this.finals.length} events, ${this.observed} observed`);
    return leaks;
  }

  #reserve(): Reservation {
    this.reserved += 1;
    return {
      reservedNanoUsd: 0n,
      cancel: () => {
        this.settled += 1;
      },
      settle: () => {
        this.settled += 1;
      },
    };
  }

  #newId(): string {
    this.#ids += 1;
    return `id-${this.#ids}`;
  }
}

/** After every promise that can go on has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function targetAt(provider: Provider, index: number): Target {
  return {
    id: `t${index}`,
    providerId: `p${index}`,
    providerKind: provider.name,
    providerName: provider.name,
    model: "claude-haiku-4-5",
    region: "",
    weight: 1,
    zeroDataRetention: false,
    facts: {},
  };
}
