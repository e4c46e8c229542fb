import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LoadOptions, loadConfig, parseConfig } from "./load.ts";
import { ConfigProblems, formatProblem } from "./problems.ts";

const options: LoadOptions = {
  kinds: ["openai", "anthropic", "openai-compatible", "azure-openai", "vertex", "bedrock", "gemini", "simulator"],
  dialects: ["generic", "vllm", "ollama", "groq"],
};
const digest = `sha256:${"ab".repeat(32)}`;

const full = `
server:
  listen: 127.0.0.1:50051
  tls: { cert_file: tls/server.crt, key_file: tls/server.key, client_ca_file: tls/clients.crt }
  max_request_bytes: 33554432
  drain_timeout: 30s
data_dir: ./data
providers:
  - id: openai
    kind: openai
    credentials: { api_key: { env: OPENAI_API_KEY } }
    timeouts: { connect: 3s, first_token: 60s, idle: 30s, total: 10m }
    max_connections: 256
  - id: claude
    kind: anthropic
    credentials: { api_key: [{ env: ONE }, { file: keys/two }, { command: [pass, show, three] }] }
  - id: local
    kind: openai-compatible
    dialect: vllm
    base_url: http://127.0.0.1:8000/v1
  - id: azure
    kind: azure-openai
    api: chat
    base_url: https://resource.openai.azure.com
    api_version: 2024-10-21
    credentials: { api_key: { http: { url: "http://127.0.0.1:8200/v1/secret", field: data.key, token: { env: VAULT } } } }
  - { id: google, kind: vertex, project: my-project, location: us-central1, publisher: anthropic, credentials: metadata }
  - id: aws
    kind: bedrock
    api: converse
    region: us-east-1
    credentials: { access_key_id: { env: A }, secret_access_key: { env: B }, session_token: { env: C } }
  - { id: aws-role, kind: bedrock, region: us-east-1, credentials: web_identity }
  - { id: aws-profile, kind: bedrock, region: us-east-1, credentials: { profile: work } }
models:
  - id: support-chat
    strategy: priority
    targets:
      - { provider: openai, model: gpt-4.1-mini, weight: 3, region: us }
      - { provider: claude, model: claude-haiku-4-5, weight: 1 }
    retry: { max_attempts: 3 }
    fallback_models: [local-chat]
  - id: local-chat
    targets: [{ provider: local, model: llama-3.1-8b-instruct }]
rules:
  - { id: cheap-summaries, when: "labels['task'] == 'summarise' && request.input_tokens < 4000", model: local-chat }
tenants:
  organisations: [{ id: acme }]
  teams: [{ id: platform, organisation: acme }]
  projects: [{ id: search, team: platform }]
keys:
  - { id: search-prod, project: search, digest: "${digest}", roles: [inference], models: [support-chat], expires: 2027-06-30 }
authentication:
  jwt: [{ issuer: https://id.example.com, audience: llm-gateway, claims: { project: prj, roles: roles } }]
  mtls: [{ spiffe: "spiffe://acme/search/*", project: search }]
limits:
  - { scope: project/search, tokens_per_minute: 200000, requests_per_minute: 600, concurrency: 64 }
budgets:
  - { scope: team/platform, period: month, hard_usd: 5000.25, alert_at: [0.5, 0.8, 1.0] }
guardrails: []
prompts:
cache: { mode: off, ttl: 1h }
prices: { overrides: ./prices.yaml }
usage:
  journal: { durability: fsync, retain: 24h, max_bytes: 10GiB }
  nats:
    servers: [nats://127.0.0.1:4222]
    credentials: { file: gateway.creds }
    stream: USAGE
    subject_prefix: llmgateway
cluster: { nats: { servers: [nats://127.0.0.1:4222] } }
telemetry:
  log: { level: info, content: off }
  traces: { otlp: http://127.0.0.1:4318, sample: 0.1 }
`;

const small = `providers:
  - { id: local, kind: openai-compatible, base_url: http://127.0.0.1:8000/v1 }
models:
  - { id: chat, targets: [{ provider: local, model: m }] }
`;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-gateway-config-"));
  mkdirSync(join(folder, "tls"));
  for (const file of ["tls/server.crt", "tls/server.key", "tls/clients.crt", "prices.yaml"]) {
    writeFileSync(join(folder, file), "");
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = () => join(folder, "gateway.yaml");

/** The problems of a text, as `line:column path: message`. */
async function problemsOf(text: string, extra: Partial<LoadOptions> = {}): Promise<readonly string[]> {
  try {
    await parseConfig(text, file(), { ...options, ...extra });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigProblems)) throw error;
    return error.problems.map((problem) => formatProblem({ ...problem, file: "f" }).slice(2));
  }
}

describe("a file without mistakes", () => {
  it("loads every section under the names of the example", async () => {
    writeFileSync(file(), full);
    const config = await loadConfig(file(), options);
    expect(config).toMatchObject({
      server: {
        host: "127.0.0.1",
        port: 50051,
        maxRequestBytes: 33554432,
        drainTimeoutMs: 30_000,
        tls: { certFile: join(folder, "tls/server.crt"), clientCaFile: join(folder, "tls/clients.crt") },
      },
      dataDir: join(folder, "data"),
      rules: [{ id: "cheap-summaries", model: "local-chat" }],
      tenants: {
        organisations: [{ id: "acme" }],
        teams: [{ id: "platform", organisationId: "acme" }],
        projects: [{ id: "search", teamId: "platform" }],
      },
      keys: [
        {
          id: "search-prod",
          projectId: "search",
          digest: "ab".repeat(32),
          roles: ["inference"],
          models: ["support-chat"],
          expiresAtMs: Date.UTC(2027, 5, 30),
          disabled: false,
        },
      ],
      authentication: {
        jwt: [
          { issuer: "https://id.example.com", audience: "llm-gateway", claims: { project: "prj", roles: "roles" } },
        ],
        mtls: [{ spiffe: "spiffe://acme/search/*", projectId: "search", roles: ["inference"], models: ["*"] }],
      },
      limits: [{ scope: "project/search", tokensPerMinute: 200_000, requestsPerMinute: 600, concurrency: 64 }],
      budgets: [{ scope: "team/platform", period: "month", hardNanoUsd: 5_000_250_000_000n, alertAt: [0.5, 0.8, 1] }],
      prices: { overridesFile: join(folder, "prices.yaml"), driftThreshold: 0.05 },
      usage: {
        journal: { durability: "fsync", retainMs: 86_400_000, maxBytes: 10 * 1024 ** 3 },
        nats: {
          servers: ["nats://127.0.0.1:4222"],
          credentials: { file: join(folder, "gateway.creds") },
          inboxPrefix: "_INBOX",
          stream: "USAGE",
          subjectPrefix: "llmgateway",
          format: "protobuf",
        },
      },
      cluster: { nats: { servers: ["nats://127.0.0.1:4222"], inboxPrefix: "_INBOX" } },
      telemetry: { logLevel: "info", traces: { otlp: "http://127.0.0.1:4318", sample: 0.1 } },
    });
    expect(config.models[0]).toEqual({
      id: "support-chat",
      strategy: "priority",
      retry: { maxAttempts: 3, hedgeDelayMs: undefined },
      fallbackModels: ["local-chat"],
      targets: [
        expect.objectContaining({ id: "openai/gpt-4.1-mini", providerId: "openai", weight: 3, region: "us" }),
        expect.objectContaining({ id: "claude/claude-haiku-4-5", providerId: "claude", weight: 1, region: "" }),
      ],
    });
  });

  it("keeps each form of credentials as a reference", async () => {
    expect((await parseConfig(full, file(), options)).providers.map((provider) => provider.credentials)).toEqual([
      { kind: "api-key", apiKeys: [{ env: "OPENAI_API_KEY" }] },
      {
        kind: "api-key",
        apiKeys: [{ env: "ONE" }, { file: join(folder, "keys/two") }, { command: ["pass", "show", "three"] }],
      },
      { kind: "none" },
      {
        kind: "api-key",
        apiKeys: [{ http: { url: "http://127.0.0.1:8200/v1/secret", field: "data.key", token: { env: "VAULT" } } }],
      },
      { kind: "metadata" },
      { kind: "aws-static", accessKeyId: { env: "A" }, secretAccessKey: { env: "B" }, sessionToken: { env: "C" } },
      { kind: "aws-web-identity" },
      { kind: "aws-profile", profile: "work" },
    ]);
  });

  it("fills in the defaults", async () => {
    expect(await parseConfig(small, file(), options)).toMatchObject({
      server: {
        host: "127.0.0.1",
        port: 50051,
        maxRequestBytes: 32 * 1024 * 1024,
        drainTimeoutMs: 30_000,
        heartbeatIntervalMs: 15_000,
      },
      providers: [
        {
          timeouts: { connectMs: 3000, firstTokenMs: 60_000, idleMs: 30_000, totalMs: 600_000 },
          maxConnections: 256,
          http2: false,
        },
      ],
      models: [{ strategy: "priority", retry: { maxAttempts: 3 }, fallbackModels: [] }],
      keys: [],
      usage: { journal: { durability: "fsync", retainMs: 86_400_000 }, nats: undefined },
      cluster: undefined,
      telemetry: { logLevel: "info", traces: undefined },
    });
  });
});

describe("a file with mistakes", () => {
  it("lists all of them at once, with line, column and path, in the order of the file", async () => {
    const problems = await problemsOf(`server:
  lisen: 127.0.0.1:50051
  drain_timeout: 30
providers:
  - id: openai
    kind: opanai
    credentials: { api_key: sk-canary-literal }
  - id: claude
    kind: anthropic
    timeouts: { first_tokens: 60s }
models:
  - id: chat
    targets: [{ provider: cluade, model: m, weight: 1.5 }]
    fallback_models: [chta]
keys:
  - { id: k, project: nowhere, digest: sk-canary-digest }
`);
    expect(problems).toEqual([
      '2:3: server.lisen: unknown key "lisen"; did you mean "listen"?',
      '3:18: server.drain_timeout: must be a duration with its unit, e.g. "250ms", "30s", "10m" or "24h"',
      expect.stringMatching(/^6:11: providers\[0\]\.kind: must be one of openai, .*; did you mean "openai"\?$/),
      expect.stringMatching(
        /^7:29: providers\[0\]\.credentials\.api_key: must be a reference: \{ env: NAME \}.*refused/,
      ),
      "8:5: providers[1].credentials: is missing: kind anthropic needs { api_key }",
      '10:17: providers[1].timeouts.first_tokens: unknown key "first_tokens"; did you mean "first_token"?',
      '13:27: models[0].targets[0].provider: there is no provider with this id; did you mean "claude"?',
      "13:53: models[0].targets[0].weight: must be a whole number from 0 to 10000",
      '14:23: models[0].fallback_models[0]: there is no model with this id; did you mean "chat"?',
      "16:23: keys[0].project: there is no project with this id",
      expect.stringMatching(/^16:40: keys\[0\]\.digest: must be "sha256:" and 64 hex digits/),
    ]);
  });

  it("names providers and models that grants of credentials and tenants list and there are not", async () => {
    const problems = await problemsOf(`${small}tenants:
  teams: [{ id: t, providers: [locla] }]
  projects: [{ id: p, team: t, models: [chta], providers: [openai-compatible, "*"] }]
keys:
  - { id: k, project: p, digest: "sha256:${"0".repeat(64)}", providers: [local, OpenAI], max_output_tokens: 0 }
`);
    expect(problems).toEqual([
      '6:32: tenants.teams[0].providers[0]: there is no provider with this id; did you mean "local"?',
      '7:41: tenants.projects[0].models[0]: there is no model with this id; did you mean "chat"?',
      expect.stringMatching(/keys\[0\]\.providers\[1\]: there is no provider with this id/),
      expect.stringMatching(/keys\[0\]\.max_output_tokens: must be a whole number from 1/),
    ]);
  });

  it("loads what grants say, in lower case, and nothing for what they do not", async () => {
    const config = await parseConfig(
      `${small.replace("id: local,", "id: Local,").replace("provider: local", "provider: Local")}tenants:
  projects: [{ id: p, providers: [Local], input_modalities: [text], output_modalities: [text, embedding] }]
keys:
  - { id: k, project: p, digest: "sha256:${"0".repeat(64)}", max_input_tokens: 9, max_output_tokens: 8 }
`,
      file(),
      options,
    );
    expect(config.tenants.projects).toEqual([
      { id: "p", teamId: "", providers: ["local"], inputModalities: ["text"], outputModalities: ["text", "embedding"] },
    ]);
    expect(config.keys[0]).toMatchObject({ inputTokensMax: 9, outputTokensMax: 8 });
    expect(config.keys[0]).not.toHaveProperty("providers");
  });

  it("never repeats a value, since it may be a secret in the wrong place", async () => {
    const canary = "sk-canary-0123456789";
    const places = [
      `credentials: ${canary}`,
      `credentials: { api_key: ${canary} }`,
      `credentials: { api_key: [${canary}] }`,
      `credentials: { api_key: { env: "${canary}" } }`,
      `credentials: { api_key: { http: { url: "https://user:${canary}@host/", field: f } } }`,
      `credentials: [${canary}]`,
      `kind: ${canary}`,
      `base_url: https://${canary}@host/`,
      `api: ${canary}`,
      `timeouts: ${canary}`,
      `credentials: { api_key: "${canary}`,
      `credentials: { api_key: !${canary} x }`,
      `credentials: *${canary}`,
      `credentials: { profile: p, access_token: ${canary} }`,
    ];
    for (const place of places) {
      const problems = await problemsOf(
        `${small}  - { id: local, targets: [] }\nserver: {}\n`
          .replace("base_url", `${place}, base_url`)
          .replace("{ id: local, kind: openai-compatible,", `{ id: local, `),
      );
      expect(problems.length, place).toBeGreaterThan(0);
      expect(problems.join("\n"), place).not.toContain("canary");
    }
    expect(
      (await problemsOf(`${small}usage: { nats: { servers: ["nats://u:${canary}@h:4222"] } }`)).join("\n"),
    ).toMatch(
      /^5:28: usage\.nats\.servers\[0\]: must be an address with nats:\/\/ or tls:\/\/, without user and password, e\.g\. "nats:\/\/127\.0\.0\.1:4222"$/,
    );
  });

  const single: readonly (readonly [string, string, RegExp])[] = [
    [
      "an id that stands twice",
      `${small}  - { id: chat, targets: [{ provider: local, model: n }] }`,
      /models\[1\]\.id: stands twice: also entry 1/,
    ],
    [
      "a target that stands twice",
      small.replace("model: m }", "model: m }, { provider: local, model: m }"),
      /targets\[1\]: stands twice in this model/,
    ],
    [
      "a circle of fallbacks",
      `${small.replace("model: m }]", "model: m }], fallback_models: [b]")}  - { id: b, targets: [{ provider: local, model: m }], fallback_models: [chat] }`,
      /models\[1\]\.fallback_models\[0\]: goes in a circle: chat → b → chat/,
    ],
    ["a listen address without a port", `${small}server: { listen: localhost }`, /server\.listen: must be "host:port"/],
    [
      "a port that does not exist",
      `${small}server: { listen: "h:70000" }`,
      /server\.listen: must be "host:port".*65535/,
    ],
    [
      "a certificate that is not there",
      `${small}server: { tls: { cert_file: no.crt, key_file: tls/server.key } }`,
      /^5:29: server\.tls\.cert_file: there is no such file/,
    ],
    [
      "a date that does not exist",
      `${small}tenants: { projects: [{ id: p }] }\nkeys: [{ id: k, project: p, digest: "${digest}", expires: 2027-02-30 }]`,
      /expires: must be a date that exists/,
    ],
    [
      "a field that the kind does not take",
      small.replace("base_url", "region: eu, base_url"),
      /providers\[0\]\.region: kind openai-compatible does not take it/,
    ],
    [
      "a field that the kind needs",
      small
        .replace("kind: openai-compatible", "kind: azure-openai")
        .replace("base_url: http://127.0.0.1:8000/v1", "credentials: { api_key: { env: K } }"),
      /providers\[0\]\.base_url: is missing: kind azure-openai needs it/,
    ],
    [
      "credentials that the kind does not take",
      small.replace("base_url", "credentials: metadata, base_url"),
      /credentials: kind openai-compatible takes none or \{ api_key \}/,
    ],
    [
      "two forms of credentials at once",
      small.replace("base_url", "credentials: { api_key: { env: A }, profile: p }, base_url"),
      /must be one form, not api_key and profile together/,
    ],
    [
      "half of an AWS key",
      small.replace("base_url", "credentials: { access_key_id: { env: A } }, base_url"),
      /access_key_id and secret_access_key go together/,
    ],
    [
      "two places for one secret",
      small.replace("base_url", "credentials: { api_key: { env: A, file: b } }, base_url"),
      /api_key: must be a reference/,
    ],
    ["a limit that limits nothing", `${small}limits: [{ scope: end_user/* }]`, /limits\[0\]: limits nothing/],
    [
      "a budget without an amount",
      `${small}budgets: [{ scope: end_user/*, period: day }]`,
      /budgets\[0\]: limits nothing/,
    ],
    [
      "a budget that sends calls to a model that is not there",
      `${small}budgets: [{ scope: end_user/*, period: day, soft_usd: 1, fallback_model: nothing }]`,
      /budgets\[0\]\.fallback_model: there is no model with this id/,
    ],
    [
      "a budget that would send calls elsewhere, and never does",
      `${small}budgets: [{ scope: end_user/*, period: day, hard_usd: 1, fallback_model: chat }]`,
      /budgets\[0\]\.fallback_model: needs soft_usd/,
    ],
    ["a rule without a consequence", `${small}rules: [{ id: r, when: "true" }]`, /must say either model or deny/],
    [
      "a rule with two consequences",
      `${small}rules: [{ id: r, when: "true", model: chat, deny: true }]`,
      /must say either model or deny/,
    ],
    [
      "a scope of nothing that is there",
      `${small}limits: [{ scope: team/x, concurrency: 1 }]`,
      /limits\[0\]\.scope: there is no team with this id/,
    ],
    [
      "certificates without an authority",
      `${small}tenants: { projects: [{ id: p }] }\nauthentication: { mtls: [{ subject: CN=a, project: p }] }`,
      /authentication\.mtls: needs server\.tls\.client_ca_file/,
    ],
    [
      "a guardrail",
      `${small}guardrails: [{ id: no-pii, kind: redact }]`,
      /guardrails: is not available in this version/,
    ],
    ["a prompt folder", `${small}prompts: { dir: ./prompts }`, /prompts(\.dir)?: .*not available in this version/],
    [
      "a cache that is on",
      `${small}cache: { mode: exact }`,
      /cache\.mode: must be off: a response cache is not available in this version/,
    ],
    ["content in the log", `${small}telemetry: { log: { content: on } }`, /telemetry\.log\.content: must be off/],
    [
      "a size without a unit that exists",
      `${small}usage: { journal: { max_bytes: 10XB } }`,
      /max_bytes: must be a number of bytes or a size/,
    ],
    ["a size out of range", `${small}usage: { journal: { max_bytes: 1KiB } }`, /max_bytes: must be from 16777216 to/],
    [
      "a duration out of range",
      `${small}server: { heartbeat_interval: 1ms }`,
      /heartbeat_interval: must be from 1s to 24h/,
    ],
    ["a section of the wrong type", `${small}server: [1]`, /server: must be a map of keys/],
    ["a list of the wrong type", `${small}keys: 1`, /keys: must be a list/],
    ["a key that stands twice", `${small}models: []`, /^5:1: this key stands twice/],
    ["a bracket that is not closed", `${small}server: { listen: "h:1"`, /not valid YAML/],
    ["a tab", "providers:\n\t- id: x", /^2:1: not valid YAML: indent with spaces/],
    ["an alias that holds itself", "providers: &a [*a]", /nested deeper/],
    ["two documents", `${small}---\n${small}`, /more than one document/],
    ["nothing at all", "", /providers: is missing/],
    ["a list instead of a map", "- a", /must be a map of keys/],
  ];
  it.each(single)("refuses %s", async (_name, text, message) => {
    const problems = await problemsOf(text);
    expect(problems).toHaveLength(text === "" ? 2 : 1);
    expect(problems[0]).toMatch(message);
  });

  it("asks the code that knows whether a rule and a provider are right", async () => {
    const text = `${small}rules: [{ id: r, when: "1 +", model: chat }]`;
    expect(await problemsOf(text, { checkRule: async () => "is not CEL" })).toEqual([
      "5:24: rules[0].when: is not CEL",
    ]);
    expect(await problemsOf(small, { checkProvider: async ({ id }) => `${id} lacks something` })).toEqual([
      "2:5: providers[0]: local lacks something",
    ]);
  });

  it("refuses what the gateway cannot serve, rather than ignoring it", async () => {
    const unavailable = ["cluster", "limits", "models[].retry.hedge_delay"];
    const hedged = small.replace("model: m }]", "model: m }], retry: { hedge_delay: 1s }");
    const text = `${hedged}limits: []\ncluster: { nats: { servers: ["nats://127.0.0.1:4222"] } }`;
    expect(await problemsOf(text, { unavailable })).toEqual([
      "4:81: models[0].retry.hedge_delay: is not available in this version; leave it out",
      "6:10: cluster: is not available in this version; leave it out",
    ]);
  });

  it("stops listing after a few hundred problems and says how many more there are", async () => {
    const entries = Array.from({ length: 250 }, (_, index) => `  - { id: k${index}, project: p, digest: x }`).join(
      "\n",
    );
    const problems = await problemsOf(`${small}keys:\n${entries}`);
    expect(problems).toHaveLength(201);
    expect(problems.at(-1)).toMatch(/and 300 more problems/);
  });
});

describe("a file that cannot be read", () => {
  it("says so in one line", async () => {
    await expect(loadConfig(join(folder, "none.yaml"), options)).rejects.toThrow(/none\.yaml: there is no such file$/);
    await expect(loadConfig(folder, options)).rejects.toThrow(/is a folder, not a file$/);
    writeFileSync(join(folder, "latin1.yaml"), Buffer.from([0x61, 0x3a, 0xe4]));
    await expect(loadConfig(join(folder, "latin1.yaml"), options)).rejects.toThrow(/is not UTF-8 text$/);
  });
});

it("gives a config or problems, whatever the text", async () => {
  const lines = full.split("\n");
  const mutation = fc.record({
    line: fc.nat(lines.length - 1),
    text: fc.oneof(fc.string(), fc.constantFrom("- a", "{", "x: [", "  y: &b *b", "? z", "<<: 1", "!!map 1", "\0")),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
      const mutated = [...lines];
      for (const { line, text } of mutations) mutated[line] = text;
      await problemsOf(mutated.join("\n")); // Rejects when it is anything but problems.
    }),
    { numRuns: 300 },
  );
});

it("reads the same from the file as from its text", async () => {
  writeFileSync(file(), full);
  expect(await loadConfig(file(), options)).toEqual(await parseConfig(readFileSync(file(), "utf8"), file(), options));
});
