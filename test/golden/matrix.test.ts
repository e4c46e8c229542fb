// Nothing that a caller sends is dropped silently: proven for every field of the contract and every provider.
import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { CompleteRequestSchema, Role } from "../../src/contract.ts";
import { dialectIds } from "../../src/providers/compatible/dialects.ts";
import { createProvider, providerKinds } from "../../src/providers/registry.ts";
import { type Cell, readColumn, unaccountedFields } from "./matrix.ts";
import { contractFields } from "./matrix-fields.ts";
import { dialectTargets, kindsLikeAnother, matrixTargets } from "./matrix-targets.ts";

const targets = [...matrixTargets, ...dialectTargets];

it("has a request for every field of the contract, or a reason to have none", () => {
  expect(unaccountedFields()).toEqual([]);
  expect(contractFields().length).toBeGreaterThan(180);
});

it("has a column for every kind of provider and every dialect", () => {
  const kinds = new Set(targets.map((target) => target.settings.kind));
  const translating = providerKinds.filter((kind) => !Object.hasOwn(kindsLikeAnother, kind));
  expect([...kinds].toSorted()).toEqual(translating.toSorted());
  expect(dialectTargets.map((target) => target.settings.dialect)).toEqual(dialectIds);
});

it.each(targets)("$name: carries every field, or says in a warning or a refusal that it does not", (target) => {
  expect(fieldsThatAre("silent", readColumn(target).cells)).toEqual([]);
});

it.each(targets)("$name: carries what a chat cannot do without", (target) => {
  const { cells } = readColumn(target);
  for (const field of [
    "messages[].role=SYSTEM",
    "messages[].role=ASSISTANT",
    "messages[].parts[].text.text",
    "sampling.max_output_tokens",
    "provider_options",
  ]) {
    expect(cells.get(field)?.kind, field).toBe("carried");
  }
});

it.each(targets)("$name: is sent nothing of what only the gateway acts on", ({ settings, model }) => {
  const secret = "canary-7c1e";
  const request = create(CompleteRequestSchema, {
    model: secret,
    messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "Hello" } } }] }],
    prompt: { promptId: secret, label: secret },
    responseCache: { scope: secret },
    routing: { affinityKey: secret, fallbackModels: [secret] },
    guardrails: [secret],
    conversationId: secret,
    labels: { team: secret },
    requestId: secret,
  });
  const translation = createProvider(settings).chat?.toHttpRequest(request, "unary", { model, facts: {} });
  expect(JSON.stringify(translation)).toContain("Hello");
  expect(JSON.stringify(translation)).not.toContain(secret);
});

function fieldsThatAre(kind: Cell["kind"], cells: ReadonlyMap<string, Cell>): readonly string[] {
  return [...cells].filter(([, cell]) => cell.kind === kind).map(([field]) => field);
}
