import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createWebhook, type Webhook } from "./webhook.ts";

const nowMs = 1_800_000_000_123;
const body = '{"type":"budget.alert"}';

let server: Server;
let statuses: number[];
let received: { readonly signature: string; readonly body: string }[];
let heard: () => void;
let webhook: Webhook;
let givenUp: string[];

beforeEach(async () => {
  statuses = [];
  received = [];
  givenUp = [];
  heard = () => {};
  server = createServer((request: IncomingMessage, response) => {
    void text(request).then((content) => {
      received.push({ signature: String(request.headers["llmgateway-signature"]), body: content });
      response.writeHead(statuses.shift() ?? 200).end();
      heard();
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
});

afterEach(async () => {
  await webhook.close();
  server.close();
});

function openWebhook(waitsMs: readonly number[] = []): void {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  webhook = createWebhook({
    post: async (headers, content) =>
      (await fetch(url, { method: "POST", headers: { ...headers, connection: "close" }, body: content })).status,
    secret: async () => "shared",
    nowMs: () => nowMs,
    waitsMs,
    onGivenUp: (because) => {
      givenUp.push(because);
      heard();
    },
  });
}

const until = (isSo: () => boolean) =>
  new Promise<void>((resolve) => {
    heard = () => isSo() && resolve();
    heard();
  });

describe("a webhook", () => {
  it("signs the time and the body, so that the receiver can check both", async () => {
    openWebhook();
    webhook.send(body);
    await until(() => received.length === 1);
    const mac = createHmac("sha256", "shared").update(`1800000000.${body}`).digest("hex");
    expect(received).toEqual([{ signature: `t=1800000000,v1=${mac}`, body }]);
  });

  it("tries again until the alert is taken", async () => {
    openWebhook([0, 0, 0]);
    statuses = [500, 503, 200];
    webhook.send(body);
    await until(() => received.length === 3);
    await webhook.close();
    expect(givenUp).toEqual([]);
  });

  it("says so when it gives up", async () => {
    openWebhook([0]);
    statuses = [500, 404];
    webhook.send(body);
    await until(() => givenUp.length === 1);
    expect(givenUp).toEqual(["status 404"]);
  });

  it("holds no more than it has room for", async () => {
    openWebhook([60_000]);
    statuses = Array.from({ length: 200 }, () => 500);
    for (let index = 0; index < 150; index++) webhook.send(body);
    expect(givenUp).toHaveLength(50);
  });
});
