import { createHash, createHmac, type Hash, type Hmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAwsEventStreamDecoder } from "../../wire/aws-event-stream.ts";
import { type Simulator, startSimulator } from "../start-simulator.ts";
import { simulatedAwsKeys } from "./verify-signature.ts";

let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator();
});

afterAll(() => simulator.close());

class Sha256 {
  readonly #hash: Hash | Hmac;

  constructor(secret?: unknown) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", toBytes(secret));
  }

  update(data: unknown): void {
    this.#hash.update(toBytes(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

function toBytes(data: unknown): Uint8Array {
  if (typeof data === "string") return Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new Error("neither text nor bytes");
}

const model = "sim-tokens-3";

/** Signed by the library that the AWS SDK signs with. */
async function ask(verb: string, id = model, secret: string = simulatedAwsKeys.secretAccessKey): Promise<Response> {
  const { hostname, port } = new URL(simulator.url);
  const path = `/model/${encodeURIComponent(id)}/${verb}`;
  const body = JSON.stringify({ messages: [{ role: "user", content: [{ text: "one two" }] }] });
  const signer = new SignatureV4({
    service: "bedrock",
    region: "us-east-1",
    credentials: { accessKeyId: simulatedAwsKeys.accessKeyId, secretAccessKey: secret, sessionToken: "token" },
    sha256: Sha256,
  });
  const signed = await signer.sign({
    method: "POST",
    protocol: "http:",
    hostname,
    port: Number(port),
    path,
    headers: { host: `${hostname}:${port}`, "content-type": "application/json" },
    body,
  });
  return fetch(simulator.url + path, { method: "POST", headers: signed.headers, body });
}

describe("Bedrock", () => {
  it.each([model, "eu.anthropic.claude:0+(x)'s", "arn:aws:bedrock:us-east-1:1:inference-profile/x"])(
    "takes a signature of the AWS SDK for %s",
    async (id) => {
      expect((await ask("converse", id)).status).toBe(200);
    },
  );

  it("refuses a signature with another secret, another key, and none", async () => {
    const wrong = await ask("converse", model, "wrong");
    expect(wrong.status).toBe(403);
    expect(wrong.headers.get("x-amzn-errortype")).toMatch(/^AccessDeniedException/);
    const none = await fetch(`${simulator.url}/model/${model}/converse`, { method: "POST", body: "{}" });
    expect([none.status, await none.json()]).toEqual([403, { message: "Missing Authentication Token" }]);
  });

  it("takes a bearer key as it is", async () => {
    const response = await fetch(`${simulator.url}/model/${model}/converse`, {
      method: "POST",
      headers: { authorization: "Bearer bedrock-key" },
      body: JSON.stringify({ messages: [{ role: "user", content: [{ text: "one two" }] }] }),
    });
    expect(await response.json()).toMatchObject({
      output: { message: { content: [{ text: 'You said "one' }] } },
      stopReason: "end_turn",
      usage: { inputTokens: 2, outputTokens: 3, totalTokens: 5 },
    });
  });

  it("streams frames whose checksums are right, the counts after the stop", async () => {
    const response = await ask("converse-stream");
    expect(response.headers.get("content-type")).toBe("application/vnd.amazon.eventstream");
    const decoder = createAwsEventStreamDecoder({ eventBytesMax: 1 << 16 });
    const events = [...decoder.push(new Uint8Array(await response.arrayBuffer())), ...decoder.finish()];
    expect(events.map(({ name }) => name)).toEqual([
      "messageStart",
      "contentBlockDelta",
      "contentBlockDelta",
      "contentBlockDelta",
      "contentBlockStop",
      "messageStop",
      "metadata",
    ]);
  });

  it("sends an error in a stream as an exception", async () => {
    const response = await ask("converse-stream", "sim-error-in-stream");
    const decoder = createAwsEventStreamDecoder({ eventBytesMax: 1 << 16 });
    const events = decoder.push(new Uint8Array(await response.arrayBuffer()));
    expect(events.at(-1)).toMatchObject({ name: "throttlingException", origin: "exception" });
  });
});
