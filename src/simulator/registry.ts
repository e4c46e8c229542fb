import { anthropicWire } from "./anthropic/anthropic-wire.ts";
import { bedrockWire } from "./bedrock/bedrock-wire.ts";
import { cohereWire } from "./cohere/cohere-wire.ts";
import { geminiWire } from "./gemini/gemini-wire.ts";
import { mistralWire } from "./mistral/mistral-wire.ts";
import { ollamaWire } from "./ollama/ollama-wire.ts";
import { openAiWire } from "./openai/openai-wire.ts";
import { responsesWire } from "./responses/responses-wire.ts";
import type { Route, SimulatedWire } from "./wire.ts";

/** One line for each simulated API. Without a prefix the first one that knows the path answers. */
const wires: readonly SimulatedWire[] = [
  openAiWire,
  responsesWire,
  anthropicWire,
  geminiWire,
  bedrockWire,
  cohereWire,
  mistralWire,
  ollamaWire,
];

export const wireNames: readonly string[] = wires.map(({ name }) => name);

export type Routed = {
  readonly wire: SimulatedWire;
  readonly route: Route;
  /** What of the path named the API: "/anthropic", or "". */
  readonly prefix: string;
};

/** The API that a request means, by the prefix of its path ("/anthropic/v1/messages") or else by the path itself. */
export function routeToWire(method: string, path: string): Routed | undefined {
  const prefixed = wires.find(({ name }) => path.startsWith(`/${name}/`));
  if (prefixed !== undefined) return routed(prefixed, method, path, `/${prefixed.name}`);
  for (const wire of wires) {
    const found = routed(wire, method, path, "");
    if (found !== undefined) return found;
  }
  return undefined;
}

function routed(wire: SimulatedWire, method: string, path: string, prefix: string): Routed | undefined {
  const route = wire.route(method, path.slice(prefix.length));
  return route === undefined ? undefined : { wire, route, prefix };
}
