// What is measured. Each profile is one kind of call in one connection shape, made of the gateway and of the relay.
import type { Shape } from "./load/load.ts";

export type Profile = {
  readonly name: string;
  readonly kind: "unary" | "stream";
  /** Model of the simulator: what it answers, and how fast. */
  readonly model: string;
  readonly shape: Shape;
  readonly durationMs: number;
};

export const shapes = {
  "1x64": { connections: 1, perConnection: 64 },
  "4x16": { connections: 4, perConnection: 16 },
  "64x1": { connections: 64, perConnection: 1 },
} as const satisfies Record<string, Shape>;

/** 64 deltas: in one write, or one every 20 ms. */
const burst = "sim-tokens-64";
const paced = "sim-tokens-64+pace-20ms";

export function profiles(isQuick: boolean): readonly Profile[] {
  const durationMs = isQuick ? 1_500 : 4_000;
  const unary = Object.entries(shapes).map(
    ([name, shape]): Profile => ({ name: `unary ${name}`, kind: "unary", model: "sim-small", shape, durationMs }),
  );
  const streams: readonly Profile[] = [
    { name: "burst stream 4x16", kind: "stream", model: burst, shape: shapes["4x16"], durationMs },
    {
      name: "paced stream, 20 at once",
      kind: "stream",
      model: paced,
      shape: { connections: 4, perConnection: 5 },
      durationMs,
    },
    {
      name: "paced stream, 400 at once",
      kind: "stream",
      model: paced,
      shape: { connections: 8, perConnection: 50 },
      durationMs,
    },
  ];
  return isQuick ? [...unary.slice(1, 2), ...streams.slice(0, 2)] : [...unary, ...streams];
}
