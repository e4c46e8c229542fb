// The columns of the matrix: every kind of provider, each API and model family of it that is translated in its own way,
// and every dialect.
import { dialectIds } from "../../src/providers/compatible/dialects.ts";
import type { ProviderSettings } from "../../src/providers/provider.ts";

export type MatrixTarget = {
  readonly name: string;
  readonly settings: ProviderSettings;
  readonly model: string;
  /** Name under which options and opaque state of this provider stand in a request. */
  readonly stateName: string;
};

/** One target for each way of translating, by the order of the page. */
export const matrixTargets: readonly MatrixTarget[] = [
  target("openai", { kind: "openai" }, "gpt-4.1"),
  target("openai reasoning", { kind: "openai" }, "gpt-5"),
  target("openai responses", { kind: "openai", api: "responses" }, "gpt-5"),
  target("azure-openai", { kind: "azure-openai", baseUrl: "https://acme.openai.azure.com" }, "gpt-4.1"),
  target("anthropic", { kind: "anthropic" }, "claude-opus-4-6"),
  target("gemini", { kind: "gemini" }, "gemini-2.5-flash"),
  target("gemini 3", { kind: "gemini" }, "gemini-3-pro-preview"),
  target("vertex", { kind: "vertex", project: "acme", location: "europe-west4" }, "gemini-2.5-pro"),
  target(
    "vertex anthropic",
    { kind: "vertex", project: "acme", location: "us-east5", publisher: "anthropic" },
    "claude-opus-4@20250514",
    "anthropic",
  ),
  target("bedrock", { kind: "bedrock", region: "eu-central-1" }, "amazon.nova-2-lite-v1:0"),
  target("bedrock claude", { kind: "bedrock", region: "us-east-1" }, "us.anthropic.claude-sonnet-4-20250514-v1:0"),
  target(
    "bedrock invoke",
    { kind: "bedrock", region: "us-east-1", api: "invoke" },
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
  ),
  target("cohere", { kind: "cohere" }, "command-a-reasoning-08-2025"),
  target("mistral", { kind: "mistral" }, "mistral-small-latest"),
  target("ollama", { kind: "ollama" }, "qwen3:4b"),
];

/** One target for each dialect of kind "openai-compatible". */
export const dialectTargets: readonly MatrixTarget[] = dialectIds.map((dialect) =>
  target(dialect, { kind: "openai-compatible", dialect, baseUrl: "https://models.example/v1" }, "some-model", "mine"),
);

/** Kinds that translate as another one does. */
export const kindsLikeAnother: Readonly<Record<string, string>> = { simulator: "openai-compatible" };

function target(
  name: string,
  settings: Omit<ProviderSettings, "id">,
  model: string,
  stateName = settings.kind,
): MatrixTarget {
  const id = settings.kind === "openai-compatible" ? "mine" : settings.kind;
  return { name, settings: { id, ...settings }, model, stateName };
}
