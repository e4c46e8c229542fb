import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asArray, asObject, asString, type JsonRecord } from "../wire/json.ts";
import { type Simulator, startSimulator } from "./start-simulator.ts";

let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator();
});

afterAll(() => simulator.close());

type Ask = {
  model?: string;
  stream?: boolean;
  text?: string;
  headers?: Record<string, string>;
  more?: object;
  signal?: AbortSignal;
};

function chat({
  model = "sim-small",
  stream = false,
  text = "hello there",
  headers = {},
  more = {},
  signal,
}: Ask = {}): Promise<Response> {
  return fetch(`${simulator.url}/v1/chat/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify({ model, stream, messages: [{ role: "user", content: text }], ...more }),
    ...(signal === undefined ? {} : { signal }),
  });
}

function messages({
  model = "sim-small",
  stream = false,
  text = "hello there",
  headers = {},
  more = {},
}: Ask = {}): Promise<Response> {
  return fetch(`${simulator.url}/v1/messages`, {
    method: "POST",
    headers,
    body: JSON.stringify({ model, stream, max_tokens: 1_000, messages: [{ role: "user", content: text }], ...more }),
  });
}

async function json(response: Response): Promise<JsonRecord> {
  const value: unknown = await response.json();
  return asObject(value) ?? {};
}

/** Every `data:` of a stream that is JSON. */
async function events(response: Response): Promise<readonly JsonRecord[]> {
  const lines = (await response.text()).split("\n").filter((line) => line.startsWith("data: {"));
  return lines.map((line) => {
    const value: unknown = JSON.parse(line.slice("data: ".length));
    return asObject(value) ?? {};
  });
}

function contentOf(chunk: JsonRecord): string {
  const [choice] = asArray(chunk["choices"]) ?? [];
  return asString(asObject(asObject(choice)?.["delta"])?.["content"]) ?? "";
}

describe("the simulator", () => {
  it("answers the same to the same request, and otherwise to another seed", async () => {
    const [one, other] = await Promise.all([chat(), chat()].map(async (response) => (await response).text()));
    expect(one).toBe(other);
    const reseeded = await startSimulator({ seed: 2 });
    const response = await fetch(`${reseeded.url}/v1/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: "sim-small", stream: false, messages: [{ role: "user", content: "hello there" }] }),
    });
    expect(await response.text()).not.toBe(one);
    await reseeded.close();
  });

  it("counts a word as a token, alike in both forms", async () => {
    const usage = { prompt_tokens: 3, completion_tokens: 64, total_tokens: 67 };
    const ask = { model: "sim-tokens-64", text: "three words here" };
    expect((await json(await chat(ask)))["usage"]).toMatchObject(usage);
    const stream = await events(
      await chat({ ...ask, stream: true, more: { stream_options: { include_usage: true } } }),
    );
    expect(stream.at(-1)).toMatchObject({ choices: [], usage });
    expect(stream.map(contentOf).filter((piece) => piece !== "")).toHaveLength(64);
  });

  it("sends counts in a stream only to who asks", async () => {
    expect((await events(await chat({ stream: true }))).some((chunk) => "usage" in chunk)).toBe(false);
  });

  it("gives log probabilities for each token", async () => {
    const body = await json(await chat({ model: "sim-tokens-2", more: { logprobs: true, top_logprobs: 2 } }));
    expect(body).toMatchObject({
      choices: [
        { logprobs: { content: [{ token: "You", top_logprobs: [{ token: "You" }, {}] }, { token: " said" }] } },
      ],
    });
  });

  it("answers JSON of the schema that was asked for", async () => {
    const schema = { type: "object", properties: { city: { type: "string" } } };
    const body = await json(
      await chat({ more: { response_format: { type: "json_schema", json_schema: { name: "a", schema } } } }),
    );
    expect(body).toMatchObject({ choices: [{ message: { content: '{"city":"example"}' } }] });
  });

  it("ends at the limit and at a stop sequence", async () => {
    expect(await json(await chat({ more: { max_tokens: 2 } }))).toMatchObject({
      choices: [{ finish_reason: "length", message: { content: "You said" } }],
      usage: { completion_tokens: 2 },
    });
    expect(await json(await messages({ more: { stop_sequences: [" there"] } }))).toMatchObject({
      content: [{ text: 'You said "hello' }],
      stop_reason: "stop_sequence",
      stop_sequence: " there",
    });
  });

  it("hears its words in the last message too", async () => {
    expect((await chat({ text: "please [sim:fail-503] now" })).status).toBe(503);
  });

  it("counts tokens without an answer", async () => {
    const response = await fetch(`${simulator.url}/v1/messages/count_tokens`, {
      method: "POST",
      body: JSON.stringify({
        model: "sim-small",
        system: "be kind",
        messages: [{ role: "user", content: "one two three" }],
      }),
    });
    expect(await response.json()).toEqual({ input_tokens: 5 });
  });

  it("lists its models in the form of each API", async () => {
    const openAi = await fetch(`${simulator.url}/v1/models`);
    expect(await openAi.json()).toMatchObject({
      object: "list",
      data: expect.arrayContaining([expect.objectContaining({ id: "sim-small" })]),
    });
    const gemini = await fetch(`${simulator.url}/gemini/v1beta/models`);
    expect(await gemini.json()).toMatchObject({
      models: expect.arrayContaining([expect.objectContaining({ name: "models/sim-small" })]),
    });
  });
});

describe("a fault", () => {
  it("429 comes in the API's own form and says how long to wait", async () => {
    const openAi = await chat({ model: "sim-fail-429-retry-after-2" });
    expect([openAi.status, openAi.headers.get("retry-after")]).toEqual([429, "2"]);
    expect(await openAi.json()).toMatchObject({ error: { code: "rate_limit_exceeded" } });
    const anthropic = await messages({ model: "sim-fail-429-retry-after-2" });
    expect(await anthropic.json()).toMatchObject({ type: "error", error: { type: "rate_limit_error" } });
  });

  it("a model that does not exist is 404, and a body that is none 400", async () => {
    expect((await chat({ model: "sim-nonsense" })).status).toBe(404);
    const garbage = await fetch(`${simulator.url}/v1/chat/completions`, { method: "POST", body: "{" });
    expect(garbage.status).toBe(400);
    expect(await garbage.json()).toMatchObject({ error: { type: "invalid_request_error" } });
  });

  it("a cut breaks the connection after so many pieces", async () => {
    const response = await chat({ model: "sim-cut-after-3", stream: true });
    let text = "";
    const reading = (async () => {
      for await (const bytes of response.body ?? []) text += Buffer.from(bytes).toString();
    })();
    await expect(reading).rejects.toThrow();
    expect(text.match(/"content":"[^"]/g)).toHaveLength(3);
    await expect((await chat({ model: "sim-cut-after-3" })).text()).rejects.toThrow();
  });

  it("a stall after no piece still has what stands before the first", async () => {
    const gone = new AbortController();
    const response = await chat({ model: "sim-stall-after-0", stream: true, signal: gone.signal });
    const first = await response.body?.getReader().read();
    const text = Buffer.from(first?.value ?? new Uint8Array()).toString();
    expect(text).toContain('"role":"assistant"');
    expect(text).not.toMatch(/"content":"[^"]/);
    gone.abort();
  });

  it("an early end is clean, but without the API's own", async () => {
    const text = await (await chat({ model: "sim-end-after-2", stream: true })).text();
    expect(text).not.toContain("[DONE]");
    expect(text).not.toContain('"finish_reason":"stop"');
  });

  it("an error in a stream follows the pieces before it", async () => {
    const chunks = await events(await chat({ model: "sim-error-in-stream", stream: true }));
    expect(chunks.map(contentOf).filter((piece) => piece !== "")).toHaveLength(2);
    expect(chunks.at(-1)).toHaveProperty("error");
  });

  it("garbage and HTML come with status 200", async () => {
    const html = await chat({ model: "sim-html" });
    expect([html.status, html.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    const garbage = await chat({ model: "sim-garbage" });
    await expect(garbage.json()).rejects.toThrow();
  });

  it("a reset has no answer at all", async () => {
    await expect(chat({ model: "sim-reset" })).rejects.toThrow();
  });

  it("two keys are refused", async () => {
    expect((await chat({ headers: { authorization: "Bearer sim-key-refused" } })).status).toBe(401);
    expect((await messages({ headers: { "x-api-key": "my-sim-key-limited" } })).status).toBe(429);
  });
});

describe("the memory of requests", () => {
  it("knows that a client closed early", async () => {
    const gone = new AbortController();
    const text = `closes early ${Math.random()}`;
    const response = await chat({ model: "sim-stall-after-1", stream: true, text, signal: gone.signal });
    const request = await simulator.waitForRequest(({ body }) => body.includes(text));
    expect(response.status).toBe(200);
    expect(request.outcome).toBeUndefined();
    expect(simulator.open).toBeGreaterThan(0);
    gone.abort();
    expect(await request.closed).toBe("closed-early");
    expect(request.outcome).toBe("closed-early");
  });

  it("knows what was answered, and what it broke off itself", async () => {
    await (await chat({ text: "to be answered" })).text();
    const answered = await simulator.waitForRequest(({ body }) => body.includes("to be answered"));
    expect(await answered.closed).toBe("answered");
    await (await chat({ text: "to be cut", model: "sim-cut-after-1", stream: true })).text().catch(() => "");
    const cut = await simulator.waitForRequest(({ body }) => body.includes("to be cut"));
    expect(await cut.closed).toBe("broken-off");
  });

  it("keeps digests of secrets, by which two can be told apart, and no secret", async () => {
    await Promise.all(
      ["first-secret", "second-secret"].map((key) =>
        chat({ text: "with a key", headers: { "x-api-key": key, "x-trace": "t" } }),
      ),
    );
    const kept = simulator.requests.filter(({ body }) => body.includes("with a key"));
    expect(new Set(kept.map(({ headers }) => headers["x-api-key"])).size).toBe(2);
    expect(kept.map(({ headers }) => headers["x-trace"])).toEqual(["t", "t"]);
    const told = await (await fetch(`${simulator.url}/_sim/requests`)).text();
    expect(told).toContain("with a key");
    expect(told).not.toContain("first-secret");
  });

  it("is bounded", async () => {
    for (let batch = 0; batch < 11; batch += 1)
      await Promise.all(Array.from({ length: 50 }, async () => (await chat()).text()));
    expect(simulator.requests.length).toBe(512);
  });
});

it("explains itself at its root", async () => {
  const text = await (await fetch(simulator.url)).text();
  expect(text).toContain("fail-N-retry-after-N");
  expect(text).toContain("/_sim/requests");
});

it("says that a port is taken", async () => {
  await expect(startSimulator({ port: simulator.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
});
