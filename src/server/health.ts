import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { health } from "../contract.ts";
import type { ServingState } from "./serving-state.ts";

const { HealthCheckResponseSchema, HealthListResponseSchema, HealthCheckResponse_ServingStatus: Status } = health;

/** How often a watcher looks, in milliseconds; the start of draining is told at once. */
const watchIntervalMs = 1000;

/** grpc.health.v1 for "" and for every service named. A watch ends when draining begins, after it has said so. */
export function registerHealth(router: ConnectRouter, state: ServingState, serviceNames: readonly string[]): void {
  const known = new Set(["", ...serviceNames]);
  const status = () => (state.isServing ? Status.SERVING : Status.NOT_SERVING);
  const toResponse = (value: ReturnType<typeof status> | typeof Status.SERVICE_UNKNOWN) =>
    create(HealthCheckResponseSchema, { status: value });

  router.service(health.Health, {
    check({ service }) {
      if (!known.has(service)) {
        throw new ConnectError("no such service", Code.NotFound);
      }
      return toResponse(status());
    },
    list() {
      const entries = [...known].map((name) => [name, toResponse(status())] as const);
      return create(HealthListResponseSchema, { statuses: Object.fromEntries(entries) });
    },
    async *watch({ service }, { signal }) {
      let told: number | undefined;
      while (!signal.aborted) {
        const now = known.has(service) ? status() : Status.SERVICE_UNKNOWN;
        if (now !== told) {
          told = now;
          yield toResponse(now);
        }
        if (state.isDraining) {
          return;
        }
        await waitFor(watchIntervalMs, AbortSignal.any([signal, state.drainSignal]));
      }
    },
  });
}

function waitFor(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    timer.unref();
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) {
      done();
    }
  });
}
