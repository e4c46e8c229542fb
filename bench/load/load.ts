// What every load generator gives back, and how a load is bounded.

/** How many connections, and how many calls at once on each: it changes the cost of a call up to twofold. */
export type Shape = { readonly connections: number; readonly perConnection: number };

export type LoadOptions = {
  readonly shape: Shape;
  /** No call begins after this. */
  readonly durationMs: number;
  /** Most calls altogether. */
  readonly callsMax: number;
};

export type LoadResult = {
  readonly calls: number;
  readonly failures: number;
  /** Messages of streams (deltas and all other events); 0 for unary calls. */
  readonly chunks: number;
  readonly seconds: number;
};

/** One kind of call: starts one on the given connection, resolves when it is over. */
export interface LoadTarget {
  call(connection: number): Promise<{ readonly ok: boolean; readonly chunks: number }>;
  close(): Promise<void>;
}

/** Closed loop: each of the slots makes one call after the other. */
export async function runLoad(target: LoadTarget, options: LoadOptions): Promise<LoadResult> {
  const startedMs = performance.now();
  const endMs = startedMs + options.durationMs;
  let begun = 0;
  let calls = 0;
  let failures = 0;
  let chunks = 0;
  const slot = async (connection: number): Promise<void> => {
    while (performance.now() < endMs && begun < options.callsMax) {
      begun += 1;
      const result = await target.call(connection);
      calls += 1;
      chunks += result.chunks;
      if (!result.ok) failures += 1;
    }
  };
  const slots: Promise<void>[] = [];
  for (let connection = 0; connection < options.shape.connections; connection++) {
    for (let index = 0; index < options.shape.perConnection; index++) slots.push(slot(connection));
  }
  await Promise.all(slots);
  return { calls, failures, chunks, seconds: (performance.now() - startedMs) / 1_000 };
}
