// Every recorded request through the contract and back: wire → contract by an oracle, contract → wire by the adapter.
import type { JsonObject } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import type { CompleteRequest } from "../../src/contract.ts";
import type { Translation } from "../../src/providers/provider.ts";
import { createProvider } from "../../src/providers/registry.ts";
import { type CorpusCase, readCorpus, readRequest } from "./corpus.ts";
import { chatRequestToContract } from "./oracles/chat-request.ts";
import { responsesRequestToContract } from "./oracles/responses-request.ts";
import { settingsOfCase } from "./provider-of-case.ts";
import { chatOf } from "./read-case.ts";
import { differencesOfCase, normalise, refusedRequests } from "./request-differences.ts";

type ToContract = (raw: JsonObject, provider: string) => CompleteRequest;

/** One row a protocol whose requests can be told in the contract's words. */
const toContractByProtocol: Readonly<Record<string, ToContract>> = {
  "chat-completions": chatRequestToContract,
  responses: responsesRequestToContract,
};

const cases = readCorpus().filter((one) => one.hasRequest && toContractByProtocol[one.protocol] !== undefined);

it("finds the requests of the corpus", () => {
  expect(cases.length).toBeGreaterThan(100);
});

it("keeps no list of differences of cases that are gone", () => {
  const ids = new Set(cases.map((one) => one.id));
  expect([...Object.keys(differencesOfCase), ...refusedRequests].filter((id) => !ids.has(id))).toEqual([]);
});

it.each(cases.map((one): [string, CorpusCase] => [one.id, one]))(
  "%s: says the same after a way through the contract",
  (id, one) => {
    const recorded: JsonObject = JSON.parse(readRequest(one));
    const translation = translate(one, recorded);
    expect(translation.kind).toBe(refusedRequests.has(id) ? "unsupported" : "request");
    if (translation.kind === "unsupported") return;
    const sent: unknown = JSON.parse(String(translation.request.body));
    const members = differencesOfCase[id]?.members ?? [];
    expect(without(normalise(sent), members)).toEqual(without(normalise(recorded), members));
  },
);

function translate(one: CorpusCase, recorded: JsonObject): Translation {
  const settings = settingsOfCase(one);
  const toContract = toContractByProtocol[one.protocol];
  if (settings === undefined || toContract === undefined) throw new Error(`${one.id}: no adapter`);
  const provider = createProvider(settings);
  const request = toContract(recorded, provider.name);
  const mode = recorded["stream"] === true ? "stream" : "unary";
  return chatOf(provider).toHttpRequest(request, mode, { model: request.model, facts: {} });
}

function without(value: unknown, members: readonly string[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !members.includes(name)));
}
