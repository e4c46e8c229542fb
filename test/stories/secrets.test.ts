// Secrets from everywhere that they may stand, planted, used, rotated while calls run, and echoed by a provider that should
// not: none of them is in anything that the gateway says, writes or sends, but where it belongs.
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import type { ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InferenceService, Role, UsageService } from "../../src/contract.ts";
import { type GatewayProcess, startGateway, stopGateways, testSecret } from "../gateway-process.ts";
import { collect, TestClient } from "../grpc-client.ts";
import { eventually } from "./stage.ts";

const planted = {
  env: "sk-planted-in-the-environment",
  file: "sk-planted-in-a-file",
  fileNext: "sk-planted-in-the-file-after-rotation",
  command: "sk-planted-by-a-command",
  vault: "sk-planted-in-the-vault",
  vaultNext: "sk-planted-in-the-vault-after-rotation",
  vaultOrdered: "sk-planted-in-the-vault-before-an-order",
  vaultToken: "hvs-planted-token-of-the-vault",
  hook: "planted-secret-of-the-webhook",
  plain: "of-no-known-form",
} as const;

let folder: string;
let provider: Server;
let vault: Server;
let collector: Server;
let gateway: GatewayProcess;
let client: TestClient;
/** Credentials that the provider was called with, by the model of the call. */
const used: { readonly model: string; readonly key: string }[] = [];
const vaultTokens: string[] = [];
let vaultSecret: string = planted.vault;
/** Whatever left the gateway for others than the provider and the vault, and what callers heard. */
const heard: string[] = [];
/** Ends when the provider has refused with an echo. */
const echoes = [400, 401, 403, 404, 429, 500, 503] as const;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "secrets-"));
  writeFileSync(join(folder, "key"), planted.file);
  provider = await listen(async (headers, body) => answer(headers, JSON.parse(body.toString()) as { model: string }));
  vault = await listen(async (headers, _, url) => {
    vaultTokens.push(headers.authorization ?? "");
    const leaseSeconds = url.endsWith("/lasting") ? 3_600 : 1;
    return { status: 200, body: { lease_duration: leaseSeconds, data: { data: { api_key: vaultSecret } } } };
  });
  collector = await listen(async (headers, body) => {
    heard.push(JSON.stringify(headers), body.toString("latin1"));
    return { status: 200, body: {} };
  });
  gateway = await startGateway({ yaml: yaml(), env: environment() });
  client = new TestClient(gateway.port);
});

afterAll(async () => {
  client?.close();
  await stopGateways();
  for (const server of [provider, vault, collector]) server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const environment = () => ({
  PLANTED_KEY: planted.env,
  VAULT_TOKEN: planted.vaultToken,
  HOOK_SECRET: planted.hook,
  PLAIN_KEY: planted.plain,
});

function yaml(): string {
  const vaultReference = `{ http: { url: "${urlOf(vault)}/v1/secret", field: data.data.api_key, token: { env: VAULT_TOKEN } } }`;
  const provided = [
    ["env", "{ env: PLANTED_KEY }"],
    ["file", `{ file: "${join(folder, "key")}" }`],
    ["command", `{ command: [printf, "${planted.command}"] }`],
    ["vault", vaultReference],
    ["plain", "{ env: PLAIN_KEY }"],
    ["lasting", vaultReference.replace("/secret", "/lasting")],
  ] as const;
  const entry = ([id, secret]: readonly [string, string]) =>
    `  - { id: by-${id}, kind: openai-compatible, base_url: "${urlOf(provider)}", credentials: { api_key: ${secret} } }\n`;
  const echoing = ["env", "plain"].flatMap((by) => echoes.map((status) => [by, `echo-${status}`] as const));
  return `
providers:
${provided.map(entry).join("")}
models:
${provided.map(([id]) => `  - { id: by-${id}, targets: [{ provider: by-${id}, model: fixed-${id} }] }\n`).join("")}
${echoing.map(([by, id]) => `  - { id: ${by}-${id}, targets: [{ provider: by-${by}, model: ${id} }], retry: { max_attempts: 1 } }\n`).join("")}
budgets: [{ scope: project/search, period: day, soft_usd: 0.000000001, alert_at: [1] }]
prices: { overrides: "${pricesFile()}" }
alerts: { webhook: "${urlOf(collector)}/hook", secret: { env: HOOK_SECRET } }
telemetry: { log: { level: trace }, traces: { otlp: "${urlOf(collector)}", sample: 1 } }
usage: { journal: { durability: os } }
`;
}

function pricesFile(): string {
  const path = join(folder, "prices.yaml");
  writeFileSync(path, "- { provider: by-env, model: fixed-env, input: 1000000000, output: 1000000000 }\n");
  return path;
}

type Answered = { readonly status: number; readonly body: unknown };

async function listen(
  respond: (headers: IncomingHttpHeaders, body: Buffer, url: string) => Promise<Answered>,
): Promise<Server> {
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { status, body } = await respond(request.headers, await buffer(request), request.url ?? "");
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  const server = createServer((request, response) => void serve(request, response));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

/** A provider that repeats the key it was called with in its errors, as careless ones do. */
async function answer(headers: IncomingHttpHeaders, { model }: { readonly model: string }): Promise<Answered> {
  const key = headers.authorization?.replace("Bearer ", "") ?? "";
  used.push({ model, key });
  const status = Number(/^echo-(\d+)$/.exec(model)?.[1] ?? 200);
  if (status !== 200) {
    const error = { message: `Incorrect API key provided: ${key} (Bearer ${key})`, type: key, code: key, param: key };
    return { status, body: { error } };
  }
  const choices = [{ index: 0, message: { role: "assistant", content: "ok" }, finish_reason: "stop" }];
  return {
    status,
    body: { id: "c", model, choices, usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } },
  };
}

function ask(model: string) {
  return {
    model,
    messages: [{ role: Role.USER, parts: [{ content: { case: "text" as const, value: { text: "Hi." } } }] }],
  };
}

async function call(model: string): Promise<void> {
  await hearing(async () => client.unary(InferenceService.method.complete, ask(model)));
}

async function streamed(model: string): Promise<void> {
  await hearing(async () => {
    const start = { case: "request" as const, value: ask(model) };
    const { messages, error } = await collect(client.stream(InferenceService.method.streamComplete, { start }));
    if (error !== undefined) throw error;
    return messages;
  });
}

/** What the caller hears is heard here too. */
async function hearing(call: () => Promise<unknown>): Promise<void> {
  try {
    heard.push(JSON.stringify(await call(), replacer));
  } catch (error) {
    const { message, details, metadata } = error as ServiceError;
    heard.push(message, details, JSON.stringify(metadata.getMap()));
    for (const value of metadata.get("grpc-status-details-bin")) heard.push((value as Buffer).toString("latin1"));
    throw error;
  }
}

const replacer = (_: string, value: unknown): unknown => (typeof value === "bigint" ? `${value}` : value);
const keysOf = (model: string) => used.filter((one) => one.model === model).map(({ key }) => key);

describe("a provider's key", () => {
  it.each([
    ["env", planted.env],
    ["file", planted.file],
    ["command", planted.command],
    ["vault", planted.vault],
  ] as const)("comes from %s", async (id, key) => {
    await call(`by-${id}`);
    expect(keysOf(`fixed-${id}`)).toEqual([key]);
    expect(new Set(vaultTokens)).toEqual(
      id === "vault" ? new Set([`Bearer ${planted.vaultToken}`]) : new Set(vaultTokens),
    );
  });

  it.each([
    ["file", planted.fileNext],
    ["vault", planted.vaultNext],
  ] as const)(
    "that is rotated at %s is the new one from then on, without a restart and without a failed call",
    async (id, next) => {
      if (id === "vault") vaultSecret = next;
      else {
        writeFileSync(join(folder, "key.next"), next);
        renameSync(join(folder, "key.next"), join(folder, "key"));
      }
      await eventually(async () => {
        await Promise.all(Array.from({ length: 4 }, () => call(`by-${id}`)));
        return keysOf(`fixed-${id}`).at(-1) === next ? true : undefined;
      });
      const seen = keysOf(`fixed-${id}`);
      // Once the new one was used, the old one never is again.
      expect(seen.slice(seen.indexOf(next)).every((key) => key === next)).toBe(true);
    },
  );

  it("is read anew when the operator asks, however fresh it is", async () => {
    await call("by-lasting");
    vaultSecret = planted.vaultOrdered;
    await call("by-lasting");
    expect(keysOf("fixed-lasting")).not.toContain(planted.vaultOrdered);
    gateway.kill("SIGHUP");
    await eventually(async () => {
      await call("by-lasting");
      return keysOf("fixed-lasting").at(-1) === planted.vaultOrdered ? true : undefined;
    });
  });
});

describe("what a provider repeats of the key", () => {
  const cases = (["env", "plain"] as const).flatMap((by) => echoes.map((status) => [status, by] as const));
  it.each(cases)("in an answer %i goes no further, nor what is around it: by %s", async (status, by) => {
    await expect(call(`${by}-echo-${status}`)).rejects.toThrow();
    await expect(streamed(`${by}-echo-${status}`)).rejects.toThrow();
    expect(keysOf(`echo-${status}`)).toContain(planted[by]);
    expect(heard.some((one) => one.includes("Incorrect API key provided: ***"))).toBe(true);
  });
});

describe("everything that the gateway says", () => {
  it("has no secret in it", async () => {
    const { events } = await client.unary(UsageService.method.listUsageEvents, { pageSize: 1000 });
    expect(events.length).toBeGreaterThan(10);
    heard.push(JSON.stringify(events, replacer));
    const metrics = await fetch(`http://127.0.0.1:${gateway.port}/metrics`);
    heard.push(await metrics.text());
    await eventually(() => (heard.some((one) => one.includes("budget.alert")) ? true : undefined));
    const config = join(gateway.folder, "gateway.yaml");
    const check = spawnSync(process.execPath, ["src/main.ts", "check", "--config", config], {
      encoding: "utf8",
      env: { ...process.env, ...environment() },
    });
    heard.push(check.stdout, check.stderr);
    gateway.kill("SIGTERM");
    await gateway.exited;
    heard.push(...gateway.lines);
    const files = filesIn(join(gateway.folder, "data"));
    expect(files.length).toBeGreaterThan(2);
    for (const path of files) heard.push(readFileSync(path, "latin1"));
    expect(heard.some((one) => one.includes("resourceSpans"))).toBe(true);

    const everything = heard.join("\n");
    const found = [...Object.values(planted), testSecret].filter((secret) => everything.includes(secret));
    expect(found).toEqual([]);
    // The command line of a secret stands in the file of the operator, and nowhere else.
    expect(everything).not.toContain(Buffer.from(planted.env).toString("base64"));
  });
});

function filesIn(path: string): readonly string[] {
  return readdirSync(path).flatMap((name) => {
    const inner = join(path, name);
    return statSync(inner).isDirectory() ? filesIn(inner) : [inner];
  });
}
