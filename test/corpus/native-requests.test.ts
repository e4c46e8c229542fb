// Every recorded request of the APIs that only one provider has, through the contract and back: wire → contract by an
// oracle, contract → wire by the adapter.
import type { JsonObject } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import type { CompleteRequest } from "../../src/contract.ts";
import { createProvider } from "../../src/providers/registry.ts";
import { type CorpusCase, readCorpus, readRequest } from "./corpus.ts";
import { cohereRequestToContract } from "./oracles/cohere-request.ts";
import { converseRequestToContract } from "./oracles/converse-request.ts";
import { ollamaRequestToContract } from "./oracles/ollama-request.ts";
import { settingsOfCase } from "./provider-of-case.ts";
import type { Raw } from "./raw-json.ts";
import { chatOf } from "./read-case.ts";

type ToContract = (raw: JsonObject, model: string) => CompleteRequest;

const toContractByProtocol: Readonly<Record<string, ToContract>> = {
  "bedrock-converse": converseRequestToContract,
  "cohere-v2-chat": cohereRequestToContract,
  "ollama-chat": ollamaRequestToContract,
};

const cases = readCorpus().filter((one) => one.hasRequest && toContractByProtocol[one.protocol] !== undefined);

it("finds the requests of the corpus", () => {
  expect(cases.length).toBeGreaterThan(45);
});

it.each(cases.map((one): [string, CorpusCase] => [one.id, one]))(
  "%s: says the same after a way through the contract",
  (_, one) => {
    const recorded: JsonObject = JSON.parse(readRequest(one));
    const settings = settingsOfCase(one);
    const toContract = toContractByProtocol[one.protocol];
    if (settings === undefined || toContract === undefined) throw new Error("no adapter");
    const request = toContract(recorded, one.model);
    const mode = recorded["stream"] === true ? "stream" : "unary";
    const context = { model: request.model, facts: {} };
    const translation = chatOf(createProvider(settings)).toHttpRequest(request, mode, context);
    if (translation.kind !== "request") throw new Error("the adapter refuses it");
    expect(normalise(JSON.parse(String(translation.request.body)))).toEqual(normalise(recorded));
  },
);

/** What may differ although it says the same: neighbours of one role as one turn, text alone or as a block, defaults. */
function normalise(value: Raw): Raw {
  if (Array.isArray(value)) return value.map(normalise);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value)
    .filter(([name, member]) => !isDefault(name, member))
    .map(([name, member]) => [name, normalise(name === "messages" ? withJoinedTurns(member) : asBlocks(name, member))]);
  return Object.fromEntries(members);
}

function asBlocks(name: string, member: Raw): Raw {
  return name === "content" && typeof member === "string" ? [{ type: "text", text: member }] : member;
}

/** Converse refuses two turns of one role in a row from some models, so they are sent as one. */
function withJoinedTurns(messages: Raw): Raw {
  if (!Array.isArray(messages)) return messages;
  const turns: { role: Raw; content: Raw[] }[] = [];
  for (const message of messages) {
    const { role, content, ...rest } = asMembers(message);
    const last = turns.at(-1);
    const isConverse = Array.isArray(content) && content.every((block) => asMembers(block)["type"] === undefined);
    if (isConverse && last !== undefined && last.role === role && Object.keys(rest).length === 0)
      last.content.push(...content);
    else
      turns.push({ ...rest, role, content: Array.isArray(content) ? [...content] : [{ type: "text", text: content }] });
  }
  return turns;
}

function asMembers(value: Raw): Readonly<Record<string, Raw>> {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

function isDefault(name: string, member: Raw): boolean {
  if (member === null || member === undefined || member === "") return true;
  if (name === "stream") return member === false;
  // Of Ollama: ids are newer than the recordings, and the kind of a call is not read.
  if (name === "tool_call_id") return member === "none";
  if (name === "type") return member === "function";
  if (name === "status") return member === "success";
  const isEmpty = typeof member === "object" && Object.keys(member).length === 0;
  return isEmpty && ["tools", "documents", "system", "inferenceConfig", "stopSequences", "options"].includes(name);
}
