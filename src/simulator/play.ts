import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Plan } from "./plan.ts";

/** Sends what the plan says, at its pace, until its end or until the client has gone. */
export function play(plan: Plan, response: ServerResponse): void {
  if (plan.ending === "reset") {
    response.socket?.resetAndDestroy();
    return;
  }
  response.writeHead(plan.status, plan.headers);
  const [only, second] = plan.writes;
  // Most answers, and all that benchmarks measure, are one write.
  if (only !== undefined && second === undefined && only.afterMs === 0 && plan.ending === "end") {
    response.end(only.bytes);
    return;
  }
  response.flushHeaders();
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  // Rejects for nothing but the client's going, which the log notes by itself.
  void playSlowly(plan, response, gone.signal).catch(() => response.destroy());
}

async function playSlowly(plan: Plan, response: ServerResponse, signal: AbortSignal): Promise<void> {
  for (const { afterMs, bytes } of plan.writes) {
    if (afterMs > 0) await delay(afterMs, undefined, { signal });
    if (signal.aborted) return;
    if (!response.write(bytes)) await drained(response, signal);
  }
  if (plan.ending === "end") response.end();
  // After what was written has left: the bytes before the cut have to arrive.
  if (plan.ending === "cut") response.write("", () => response.socket?.destroySoon());
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    response.once("drain", resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
