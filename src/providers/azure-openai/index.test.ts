import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { CompleteRequestSchema, FinishReason, Role, SafetyAction, SafetySubject } from "../../contract.ts";
import type { HttpRequest } from "../../domain/http.ts";
import type { ProviderSettings } from "../provider.ts";
import { createAzureOpenAiProvider } from "./index.ts";

const baseUrl = "https://acme.openai.azure.com";
const request = create(CompleteRequestSchema, {
  messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "hi" } } }] }],
});
const readContext = { model: "m", callIdSeed: "c", includeProviderMetadata: false, includeAllSafetyFindings: false };

it.each([
  [{ apiVersion: "2024-10-21" }, "/openai/deployments/gpt%204/chat/completions?api-version=2024-10-21"],
  [{}, "/openai/v1/chat/completions"],
  [{ apiVersion: "v1" }, "/openai/v1/chat/completions"],
  [{ apiVersion: "preview" }, "/openai/v1/chat/completions?api-version=preview"],
  [{ baseUrl: `${baseUrl}/openai/v1/` }, "/openai/v1/chat/completions"],
  [
    { baseUrl: `${baseUrl}/openai`, apiVersion: "2024-10-21" },
    "/openai/deployments/gpt%204/chat/completions?api-version=2024-10-21",
  ],
  [
    { baseUrl: `${baseUrl}/models`, apiVersion: "2024-05-01-preview" },
    "/models/chat/completions?api-version=2024-05-01-preview",
  ],
  [{ api: "responses" }, "/openai/v1/responses"],
  [{ api: "responses", apiVersion: "2025-04-01-preview" }, "/openai/responses?api-version=2025-04-01-preview"],
])("finds the path for %j", (settings, path) => {
  expect(sent(settings).path).toBe(path);
});

it("sends keys in their own header and Entra tokens as bearer", async () => {
  const provider = createAzureOpenAiProvider({ id: "a", kind: "azure-openai", baseUrl });
  const keyed = await provider.authorise(sent({}), { kind: "api-key", value: "k" }, 0);
  const token = await provider.authorise(sent({}), { kind: "access-token", value: "t" }, 0);
  expect(keyed.headers).toMatchObject({ "api-key": "k" });
  expect(keyed.headers).not.toHaveProperty("authorization");
  expect(token.headers).toMatchObject({ authorization: "Bearer t" });
});

it("refuses settings without an address in one line", () => {
  expect(() => createAzureOpenAiProvider({ id: "a", kind: "azure-openai" })).toThrow(/^provider "a": .*base_url/);
});

describe("content filters", () => {
  const verdicts = {
    hate: { filtered: false, severity: "safe" },
    violence: { filtered: true, severity: "high" },
    jailbreak: { filtered: false, detected: true },
  };

  it("become findings: those that blocked, or all on demand", () => {
    const body = {
      prompt_filter_results: [{ prompt_index: 0, content_filter_results: { jailbreak: verdicts.jailbreak } }],
      choices: [
        { index: 0, message: { content: "I" }, finish_reason: "content_filter", content_filter_results: verdicts },
      ],
    };
    const completion = read(body, false);
    expect(completion?.finishReason).toBe(FinishReason.CONTENT_FILTER);
    expect(completion?.safetyFindings).toMatchObject([
      { category: "violence", severity: "high", subject: SafetySubject.OUTPUT, action: SafetyAction.BLOCKED },
    ]);
    expect(read(body, true)?.safetyFindings).toContainEqual(
      expect.objectContaining({ category: "jailbreak", severity: "detected", subject: SafetySubject.INPUT }),
    );
  });

  it("never take a block back when an asynchronous filter speaks later", () => {
    const reader = createAzureOpenAiProvider({ id: "a", kind: "azure-openai", baseUrl }).chat?.createReader(
      readContext,
    );
    const late = { violence: { filtered: false, severity: "safe" } };
    for (const choice of [
      { index: 0, delta: { content: "I" }, content_filter_results: verdicts },
      { index: 0, finish_reason: "content_filter", content_filter_results: late },
    ]) {
      reader?.read({ name: "", data: JSON.stringify({ choices: [choice] }), origin: "event" });
    }
    expect(reader?.finish().facts.safetyFindings).toMatchObject([
      { category: "violence", action: SafetyAction.BLOCKED },
    ]);
  });

  it("of the prompt are a refusal to serve, with status 400", () => {
    const innererror = { code: "ResponsibleAIPolicyViolation", content_filter_result: verdicts };
    const body = new TextEncoder().encode(
      JSON.stringify({ error: { code: "content_filter", message: "m", innererror } }),
    );
    const provider = createAzureOpenAiProvider({ id: "a", kind: "azure-openai", baseUrl });
    expect(provider.toFailure(400, {}, body).kind).toBe("content-filtered");
  });

  function read(body: object, includeAllSafetyFindings: boolean) {
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    const { chat } = createAzureOpenAiProvider({ id: "a", kind: "azure-openai", baseUrl });
    return chat?.fromHttpResponse(
      { status: 200, headers: {}, body: bytes },
      { ...readContext, includeAllSafetyFindings },
    );
  }
});

function sent(settings: Partial<ProviderSettings>): HttpRequest {
  const provider = createAzureOpenAiProvider({ id: "a", kind: "azure-openai", baseUrl, ...settings });
  const translation = provider.chat?.toHttpRequest(request, "unary", { model: "gpt 4", facts: {} });
  if (translation?.kind !== "request") throw new Error("unsupported");
  return translation.request;
}
