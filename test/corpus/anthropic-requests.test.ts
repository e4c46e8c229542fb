// Every recorded request of the Messages API through the contract and back: wire → contract by an oracle, contract → wire
// by the adapter.
import type { JsonObject } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { createProvider } from "../../src/providers/registry.ts";
import { type CorpusCase, readCorpus, readRequest } from "./corpus.ts";
import { anthropicRequestToContract } from "./oracles/anthropic-request.ts";
import { settingsOfCase } from "./provider-of-case.ts";
import { at, listAt, type Raw } from "./raw-json.ts";
import { chatOf } from "./read-case.ts";

/** Sent on purpose in a form that the API refuses. */
const malformed: ReadonlySet<string> = new Set(["anthropic-messages-unary-error-400-d40297e5"]);

const protocols: ReadonlySet<string> = new Set(["anthropic-messages", "bedrock-invoke", "vertex-anthropic"]);
const cases = readCorpus()
  .filter((one) => one.hasRequest && protocols.has(one.protocol) && !malformed.has(one.id))
  // In InvokeModel the bodies of other vendors are not read.
  .filter((one) => settingsOfCase(one) !== undefined);

it("finds the requests of the corpus", () => {
  expect(cases.length).toBeGreaterThan(25);
});

it.each(cases.map((one): [string, CorpusCase] => [one.id, one]))(
  "%s: says the same after a way through the contract",
  (_, one) => {
    const recorded: JsonObject = JSON.parse(readRequest(one));
    const settings = settingsOfCase(one);
    if (settings === undefined) throw new Error("no adapter");
    const request = anthropicRequestToContract(recorded, one.model);
    const mode = recorded["stream"] === true ? "stream" : "unary";
    const translation = chatOf(createProvider(settings)).toHttpRequest(request, mode, {
      model: request.model,
      facts: {},
    });
    if (translation.kind !== "request") throw new Error("the adapter refuses it");
    expect(translation.warnings).toEqual([]);
    expect(toComparable(JSON.parse(String(translation.request.body)))).toEqual(toComparable(recorded));
  },
);

/** The API reads neighbouring turns of one role as one ("Messages"), and we send them so. */
function toComparable(request: Raw): Raw {
  const normal = normalise(request);
  const turns: { readonly role: Raw; readonly content: Raw[] }[] = [];
  for (const turn of listAt(normal, "messages")) {
    const last = turns.at(-1);
    if (last !== undefined && last.role === at(turn, "role")) last.content.push(...listAt(turn, "content"));
    else turns.push({ role: at(turn, "role"), content: [...listAt(turn, "content")] });
  }
  return typeof normal === "object" ? { ...normal, messages: turns } : normal;
}

/** What may differ although it says the same: text alone or as a block, defaults, and what is null. */
function normalise(value: Raw): Raw {
  if (Array.isArray(value)) return value.map(normalise);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value)
    .filter(([name, member]) => !isDefault(name, member))
    .map(([name, member]) => [name, normalise(asBlocks(name, member))] as const);
  return Object.fromEntries(members);
}

function asBlocks(name: string, member: Raw): Raw {
  const isText = typeof member === "string" && (name === "content" || name === "system");
  return isText ? [{ type: "text", text: member }] : member;
}

function isDefault(name: string, member: Raw): boolean {
  if (member === null || member === undefined) return true;
  if (name === "is_error" || name === "stream") return member === false;
  if (name === "tools") return Array.isArray(member) && member.length === 0;
  // Effort "high", and a call made by the model itself.
  return (
    (name === "output_config" || name === "caller") &&
    /^\{"(effort":"high|type":"direct)"\}$/.test(JSON.stringify(member))
  );
}
