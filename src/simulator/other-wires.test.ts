// APIs that differ most from the others, in their own words.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asArray, asObject, type JsonRecord } from "../wire/json.ts";
import { type Simulator, startSimulator } from "./start-simulator.ts";

let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator();
});

afterAll(() => simulator.close());

const tools = [
  {
    type: "function",
    function: { name: "look", parameters: { type: "object", properties: { at: { type: "string" } } } },
  },
];

async function post(path: string, body: object): Promise<string> {
  const response = await fetch(simulator.url + path, {
    method: "POST",
    body: JSON.stringify({ messages: [{ role: "user", content: "one two" }], ...body }),
  });
  return response.text();
}

function parse(text: string): JsonRecord {
  const value: unknown = JSON.parse(text);
  return asObject(value) ?? {};
}

function sseOf(text: string): readonly JsonRecord[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("data: {"))
    .map((line) => parse(line.slice("data: ".length)));
}

describe("Cohere", () => {
  it("answers, counting twice, and streams typed events with a sentinel behind", async () => {
    const whole = parse(await post("/v2/chat", { model: "sim-tokens-3+thinking-2" }));
    expect(whole).toMatchObject({
      message: {
        content: [
          { type: "thinking", thinking: "Let me" },
          { type: "text", text: 'You said "one' },
        ],
      },
      finish_reason: "COMPLETE",
      usage: { billed_units: { input_tokens: 2, output_tokens: 5 }, tokens: { output_tokens: 5 } },
    });
    const text = await post("/v2/chat", { model: "sim-tokens-3+thinking-2", stream: true });
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
    expect(sseOf(text).at(-1)).toMatchObject({
      type: "message-end",
      delta: { finish_reason: "COMPLETE", usage: whole["usage"] },
    });
  });

  it("plans, then calls", async () => {
    const types = sseOf(await post("/v2/chat", { model: "sim-tools-1", stream: true, tools })).map(({ type }) => type);
    expect(types.filter((type, index) => type !== types[index - 1])).toEqual([
      "message-start",
      "tool-plan-delta",
      "tool-call-start",
      "tool-call-delta",
      "tool-call-end",
      "message-end",
    ]);
  });
});

describe("Mistral", () => {
  it("puts reasoning into the content and the counts on the finish", async () => {
    const whole = parse(await post("/mistral/v1/chat/completions", { model: "sim-tokens-3+thinking-2" }));
    expect(whole).toMatchObject({
      choices: [{ message: { content: [{ type: "thinking" }, { type: "text", text: 'You said "one' }] } }],
      usage: { completion_tokens: 5 },
    });
    const chunks = sseOf(await post("/mistral/v1/chat/completions", { model: "sim-tokens-3", stream: true }));
    expect(chunks.at(-1)).toMatchObject({ choices: [{ finish_reason: "stop" }], usage: { completion_tokens: 3 } });
  });

  it("sends a call whole, with the finish", async () => {
    const chunks = sseOf(await post("/mistral/v1/chat/completions", { model: "sim-tools-2", stream: true, tools }));
    const [choice] = asArray(chunks.at(-1)?.["choices"]) ?? [];
    expect(choice).toMatchObject({
      delta: {
        tool_calls: [
          { function: { arguments: '{"at":"example"}' } },
          { function: { arguments: '{"at":"example 2"}' } },
        ],
      },
      finish_reason: "tool_calls",
    });
  });
});

describe("Ollama", () => {
  it("streams a line for each piece unless it is told not to", async () => {
    const lines = (await post("/api/chat", { model: "sim-tokens-3" })).trimEnd().split("\n").map(parse);
    expect(lines).toHaveLength(4);
    expect(lines.at(-1)).toMatchObject({ done: true, done_reason: "stop", prompt_eval_count: 2, eval_count: 3 });
    const whole = parse(await post("/api/chat", { model: "sim-tokens-3", stream: false }));
    expect(whole).toMatchObject({ message: { content: 'You said "one' }, done: true, eval_count: 3 });
  });

  it("gives arguments as an object", async () => {
    const whole = parse(await post("/api/chat", { model: "sim-tools-1", stream: false, tools }));
    expect(whole).toMatchObject({
      message: { tool_calls: [{ function: { name: "look", arguments: { at: "example" } } }] },
    });
  });
});

describe("Claude on Vertex AI", () => {
  it("has its model and its mode in the path", async () => {
    const path = "/anthropic/v1/projects/p/locations/l/publishers/anthropic/models/sim-tokens-2:";
    const whole = parse(await post(`${path}rawPredict`, { max_tokens: 10 }));
    expect(whole).toMatchObject({ model: "sim-tokens-2", content: [{ text: "You said" }] });
    expect(await post(`${path}streamRawPredict`, { max_tokens: 10 })).toContain("event: message_stop");
  });
});
