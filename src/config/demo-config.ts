// What `npm start` runs without a file: simulated providers that speak two real wire formats, one demo key, and the real
// providers whose API keys stand in the environment.
import { createHash } from "node:crypto";
import type * as z from "zod";
import type { Config } from "./config.ts";
import { configSchema, type KnownNames } from "./schema.ts";
import { toConfig } from "./to-config.ts";

export type DemoParts = {
  /** Where the simulator listens, e.g. "http://127.0.0.1:40001". */
  readonly simulatorUrl: string;
  /** Absolute. */
  readonly dataDir: string;
  /** Secret of the demo key. Only its digest is kept. */
  readonly keySecret: string;
  /** "host:port"; absent: the default address. */
  readonly listen?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly known: KnownNames;
};

/** Model id that the demo answers by the simulator. */
export const demoModelId = "demo";

export function demoConfig(parts: DemoParts): Config {
  const real = realProviders.filter(({ variable }) => (parts.environment[variable] ?? "") !== "");
  const raw: z.input<ReturnType<typeof configSchema>> = {
    server: parts.listen === undefined ? {} : { listen: parts.listen },
    data_dir: parts.dataDir,
    providers: [
      { id: "simulated-openai", kind: "openai", base_url: parts.simulatorUrl },
      { id: "simulated-anthropic", kind: "anthropic", base_url: parts.simulatorUrl },
      ...real.map(({ id, kind, variable }) => ({ id, kind, credentials: { api_key: { env: variable } } })),
    ],
    models: [
      {
        id: demoModelId,
        targets: [
          { provider: "simulated-openai", model: "gpt-4.1-mini" },
          { provider: "simulated-anthropic", model: "claude-haiku-4-5" },
        ],
      },
      { id: "demo-anthropic", targets: [{ provider: "simulated-anthropic", model: "claude-haiku-4-5" }] },
      ...otherModels.map(([id, model]) => ({ id, targets: [{ provider: "simulated-openai", model }] })),
      ...real.flatMap(({ id, models }) => models.map((model) => ({ id: model, targets: [{ provider: id, model }] }))),
    ],
    tenants: { projects: [{ id: "demo" }] },
    keys: [
      {
        id: "demo",
        project: "demo",
        digest: `sha256:${createHash("sha256").update(parts.keySecret).digest("hex")}`,
        roles: ["inference", "usage"],
      },
    ],
  };
  return toConfig(configSchema(parts.known).parse(raw), parts.dataDir);
}

/** For what is not chat, under the names of real models, so that their real prices show. */
const otherModels = [
  ["demo-embed", "text-embedding-3-small"],
  ["demo-moderate", "omni-moderation-latest"],
  ["demo-images", "gpt-image-1"],
  ["demo-speech", "gpt-4o-mini-tts"],
  ["demo-transcribe", "whisper-1"],
] as const;

const realProviders = [
  { id: "openai", kind: "openai", variable: "OPENAI_API_KEY", models: ["gpt-4.1-mini", "gpt-4.1"] },
  {
    id: "anthropic",
    kind: "anthropic",
    variable: "ANTHROPIC_API_KEY",
    models: ["claude-haiku-4-5", "claude-sonnet-4-5"],
  },
] as const;
