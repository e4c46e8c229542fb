// Alerts to an address of the operator, signed, each until it is taken or tried often enough. Serving never waits for it.
import { createHmac } from "node:crypto";

export type WebhookOptions = {
  /** Sends a POST of JSON; resolves with the status, rejects when nobody answers. */
  readonly post: (headers: Readonly<Record<string, string>>, body: string) => Promise<number>;
  /** What bodies are signed with; asked anew for each try, so that it can be rotated. Rejects when it cannot be had. */
  readonly secret: () => Promise<string>;
  readonly nowMs: () => number;
  /** Waits between tries. Default 1 s, 10 s, 60 s, 10 min. */
  readonly waitsMs?: readonly number[] | undefined;
  /** Hears of an alert that was given up. Must not throw. */
  readonly onGivenUp: (because: string) => void;
};

export interface Webhook {
  /** Returns at once. */
  send(body: string): void;
  /** Gives up what waits for another try, and waits for what is under way. */
  close(): Promise<void>;
}

const limits = { waitingMax: 100 } as const;
const defaultWaitsMs: readonly number[] = [1_000, 10_000, 60_000, 600_000];

/** `t=<Unix seconds>,v1=<HMAC-SHA256 of "<t>.<body>" in hex>`: the time is signed, so that an old alert is known as one. */
export function signatureOf(secret: string, body: string, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1_000);
  return `t=${seconds},v1=${createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex")}`;
}

export function createWebhook(options: WebhookOptions): Webhook {
  const waitsMs = options.waitsMs ?? defaultWaitsMs;
  const waiting = new Set<NodeJS.Timeout>();
  const underWay = new Set<Promise<void>>();
  let isClosed = false;

  /** "": it was taken. */
  async function tryOnce(body: string): Promise<string> {
    try {
      const signature = signatureOf(await options.secret(), body, options.nowMs());
      const headers = { "content-type": "application/json", "llmgateway-signature": signature };
      const status = await options.post(headers, body);
      return status >= 200 && status < 300 ? "" : `status ${status}`;
    } catch (error) {
      return error instanceof Error ? error.message : "no answer";
    }
  }

  async function attempt(body: string, tries: number): Promise<void> {
    const because = await tryOnce(body);
    if (because === "") return;
    const waitMs = waitsMs[tries];
    if (isClosed || waitMs === undefined) {
      options.onGivenUp(because);
      return;
    }
    const timer = setTimeout(() => {
      waiting.delete(timer);
      start(body, tries + 1);
    }, waitMs);
    timer.unref();
    waiting.add(timer);
  }

  function start(body: string, tries: number): void {
    const run = attempt(body, tries).finally(() => underWay.delete(run));
    underWay.add(run);
  }

  return {
    send(body) {
      if (isClosed || waiting.size + underWay.size >= limits.waitingMax) options.onGivenUp("too many alerts wait");
      else start(body, 0);
    },
    async close() {
      isClosed = true;
      for (const timer of waiting) clearTimeout(timer);
      waiting.clear();
      await Promise.all(underWay);
    },
  };
}
