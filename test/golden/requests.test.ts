// What each provider makes of each neutral request, kept as files. Rewrite them with `vitest -u`, and commit the change
// only with the reason for it.
import { expect, it } from "vitest";
import { WarningKind } from "../../src/contract.ts";
import type { ProviderSettings, Translation } from "../../src/providers/provider.ts";
import { createProvider } from "../../src/providers/registry.ts";
import { neutralRequests } from "./neutral-requests.ts";

type Golden = {
  readonly name: string;
  readonly stateName: string;
  readonly model: string;
  readonly settings: ProviderSettings;
  /** Rare fields that this one has. */
  readonly carries?: readonly string[];
};

const goldens: readonly Golden[] = [
  {
    name: "anthropic",
    stateName: "anthropic",
    model: "claude-opus-4-6",
    settings: { id: "claude", kind: "anthropic" },
  },
  {
    name: "anthropic-older",
    stateName: "anthropic",
    model: "claude-sonnet-4-20250514",
    settings: { id: "claude", kind: "anthropic", baseUrl: "https://proxy.example/v1/" },
  },
  {
    name: "anthropic-newest",
    stateName: "anthropic",
    model: "claude-sonnet-5-5",
    settings: { id: "claude", kind: "anthropic" },
  },
  { name: "gemini", stateName: "gemini", model: "gemini-2.5-flash", settings: { id: "google-ai", kind: "gemini" } },
  {
    name: "gemini-3",
    stateName: "gemini",
    model: "gemini-3-pro-preview",
    settings: { id: "google-ai", kind: "gemini" },
  },
  {
    name: "vertex",
    stateName: "vertex",
    model: "gemini-2.5-pro",
    settings: { id: "vertex", kind: "vertex", project: "acme", location: "europe-west4" },
  },
  {
    name: "vertex-anthropic",
    stateName: "anthropic",
    model: "claude-opus-4@20250514",
    settings: { id: "vertex", kind: "vertex", project: "acme", publisher: "anthropic" },
  },
  {
    name: "bedrock",
    stateName: "bedrock",
    model: "amazon.nova-2-lite-v1:0",
    settings: { id: "aws", kind: "bedrock", region: "eu-central-1" },
  },
  {
    name: "bedrock-claude",
    stateName: "bedrock",
    model: "us.anthropic.claude-sonnet-4-20250514-v1:0",
    settings: { id: "aws", kind: "bedrock", region: "us-east-1" },
  },
  {
    name: "bedrock-invoke",
    stateName: "bedrock",
    model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    settings: { id: "aws", kind: "bedrock", region: "us-east-1", api: "invoke" },
  },
  {
    name: "cohere",
    stateName: "cohere",
    model: "command-a-reasoning-08-2025",
    settings: { id: "cohere", kind: "cohere" },
  },
  {
    name: "mistral",
    stateName: "mistral",
    model: "mistral-small-latest",
    settings: { id: "mistral", kind: "mistral" },
  },
  {
    name: "ollama",
    stateName: "ollama",
    model: "qwen3:4b",
    settings: { id: "ollama", kind: "ollama" },
    carries: ["sampling.min_p"],
  },
];

const features = Object.keys(neutralRequests("any"));

it.each(features)("%s becomes what stands in its file", async (feature) => {
  const sections = goldens.map((golden) => {
    const request = neutralRequests(golden.stateName)[feature] ?? missing(feature);
    const translation = createProvider(golden.settings).chat?.toHttpRequest(request, "stream", contextOf(golden));
    return `── ${golden.name}\n${render(translation)}`;
  });
  await expect(sections.join("\n")).toMatchFileSnapshot(`requests/${feature}.txt`);
});

it("counts tokens of the same prompt", async () => {
  const sections = goldens.map((golden) => {
    const request = neutralRequests(golden.stateName)["cache-explicit"] ?? missing("cache-explicit");
    const translation = createProvider(golden.settings).countTokens?.toHttpRequest(request, contextOf(golden));
    return `── ${golden.name}\n${render(translation)}`;
  });
  await expect(sections.join("\n")).toMatchFileSnapshot("requests/count-tokens.txt");
});

it.each(goldens)("$name: says in a warning what it leaves out", (golden) => {
  const request = neutralRequests(golden.stateName)["sampling-rare"] ?? missing("sampling-rare");
  const translation = createProvider(golden.settings).chat?.toHttpRequest(request, "unary", contextOf(golden));
  const warnings = translation?.kind === "request" ? translation.warnings : [];
  const dropped = warnings.filter((warning) => warning.kind === WarningKind.PARAMETER_DROPPED);
  const fields = dropped.map((warning) => warning.field);
  for (const field of ["sampling.min_p", "sampling.logit_bias"]) {
    expect(fields.includes(field), field).toBe(!golden.carries?.includes(field));
  }
});

/** Address, headers, what was said, and the body as it stands on the wire, since the order of keys counts. */
function render(translation: Translation | undefined): string {
  if (translation === undefined) return "cannot\n";
  if (translation.kind === "unsupported") {
    return translation.violations.map(({ field, description }) => `unsupported: ${field}: ${description}\n`).join("");
  }
  const { request, warnings } = translation;
  const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`);
  const said = warnings.map((warning) => `warning: ${nameOf(warning.kind)} ${warning.field}: ${warning.message}`);
  const address = `${request.method} ${request.origin}${request.path}`;
  return [address, ...headers, ...said, String(request.body), ""].join("\n");
}

function contextOf(golden: Golden) {
  return { model: golden.model, facts: {} };
}

function nameOf(kind: WarningKind): string {
  return Object.entries(WarningKind).find(([, value]) => value === kind)?.[0] ?? String(kind);
}

function missing(feature: string): never {
  throw new Error(`there is no request "${feature}"`);
}
