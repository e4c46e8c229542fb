import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { lockFolder } from "../ledger/journal/folder-lock.ts";
import type { CommandIo } from "./command-io.ts";
import { runProgram } from "./program.ts";

/** Runs a command line; gives its exit code and what it wrote. */
async function run(words: readonly string[], environment: CommandIo["environment"] = {}) {
  let out = "";
  let err = "";
  const code = await runProgram(["node", "llm-gateway", ...words], {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    isTerminal: false,
    environment,
    nowMs: () => 0,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-gateway-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(text: string): string {
  const file = join(folder, "gateway.yaml");
  writeFileSync(file, text);
  return file;
}

const good = `providers:
  - { id: openai, kind: openai, credentials: { api_key: { env: OPENAI_API_KEY } } }
models:
  - { id: chat, targets: [{ provider: openai, model: gpt-4.1-mini }] }
`;

describe("the command line", () => {
  it.each([
    [["--help"], "serve"],
    [["serve", "--help"], "--demo"],
    [["check", "--help"], "--config"],
    [["simulate", "--help"], "--pace"],
    [["keys", "--help"], "create"],
    [["keys", "create", "--help"], "--expires"],
    [["usage", "--help"], "tail"],
    [["usage", "tail", "--help"], "--cursor"],
    [["usage", "sum", "--help"], "--interval"],
    [["nats", "setup", "--help"], "--replicas"],
  ])("helps with %j, with examples, and exit code 0", async (words, expected) => {
    const { code, out, err } = await run(words, { LLM_GATEWAY_KEY: "llmg_canary" });
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain(expected);
    if (words.length > 1 && !["keys,--help", "usage,--help"].includes(words.join())) expect(out).toContain("Examples:");
    expect(out).not.toContain("canary");
  });

  it("says what a model name asks of the simulator", async () => {
    expect((await run(["simulate", "--help"])).out).toMatch(/sim-.*joined by "\+"/);
  });

  it.each([
    [["serv"], "serve"],
    [["check"], "--config"],
    [["serve"], "--demo"],
    [["serve", "--demo", "--config", "x"], "cannot be used"],
    [["simulate", "--port", "70000"], "0 to 65535"],
    [["usage", "sum", "--since", "yesterday"], "24h"],
    [["usage", "sum", "--by", "colour", "--key", "k"], "label:NAME"],
    [["usage", "sum"], "LLM_GATEWAY_KEY"],
    [["keys", "create"], "--project"],
    [["keys", "create", "--project", "a b"], "must be a name"],
    [["keys", "create", "--project", "p", "--expires", "2027-02-30"], "must be a date that exists"],
    [["keys", "create", "--project", "p", "--roles", "root"], "--roles"],
    [["nats", "setup", "-c", "x", "--replicas", "2"], "1, 3, 5"],
  ])("says what is wrong with %j, and exit code 2", async (words, expected) => {
    const { code, out, err } = await run(words);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(expected);
    expect(err).not.toMatch(/^\s+at /m);
  });
});

describe("serve", () => {
  it("ends with one line and exit code 1 when its data folder is another's, also with the simulator of --demo", async () => {
    const journal = join(folder, "journal");
    mkdirSync(journal);
    const lock = await lockFolder(journal);
    const words = ["src/main.ts", "serve", "--demo", "--data-dir", folder];
    const child = spawn(process.execPath, words, { stdio: ["ignore", "ignore", "pipe"] });
    let err = "";
    child.stderr.on("data", (text: Buffer) => {
      err += text.toString();
    });
    const [code] = await once(child, "close");
    await lock.release();
    expect(code).toBe(1);
    expect(err).toMatch(/^llm-gateway: .* is in use by process \d+\n$/);
  });
});

describe("check", () => {
  it("says ok, what the file makes, and which secrets are missing here", async () => {
    const file = write(good);
    const { code, out } = await run(["check", "--config", file]);
    expect(code).toBe(0);
    expect(out).toContain(
      `${file}: ok\n  listens on 127.0.0.1:50051, clear text\n  1 provider, 1 model with 1 target, 0 rules`,
    );
    expect(out).toContain("note: provider openai: the variable OPENAI_API_KEY is not set here");
    expect((await run(["check", "-c", file], { OPENAI_API_KEY: "sk-canary" })).out).not.toMatch(/note|canary/);
  });

  it("lists every problem with file, line and path, those of rules and providers too, and exit code 1", async () => {
    const file = write(`${good}rules:
  - { id: r, when: "1 +", model: chat }
  - { id: s, when: "request.nothing", model: nowhere }
keys: [{ id: k, project: p, digest: sk-canary }]
`);
    const { code, out, err } = await run(["check", "--config", file]);
    expect(code).toBe(1);
    const lines = out.trimEnd().split("\n");
    expect(lines.every((line) => line.startsWith(`${file}:`))).toBe(true);
    expect(lines.map((line) => /: ([a-z]+\[\d\]\.[a-z]+): /.exec(line)?.[1])).toEqual([
      "rules[0].when",
      "rules[1].when",
      "rules[1].model",
      "keys[0].project",
      "keys[0].digest",
    ]);
    expect(err).toBe(`${file}: 5 problems\n`);
    expect(out).not.toContain("canary");
  });

  it("says when there is no such file", async () => {
    const { code, out } = await run(["check", "--config", join(folder, "none.yaml")]);
    expect(code).toBe(1);
    expect(out).toMatch(/none\.yaml: there is no such file\n$/);
  });
});

describe("keys create", () => {
  it("prints a secret and the line of the config that knows it", async () => {
    const { code, out, err } = await run([
      ..."keys create --project search --id search-prod --roles inference,usage --models a/b,c --expires 2027-06-30".split(
        " ",
      ),
    ]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const secret = /llmg_[A-Za-z0-9_-]{43}/.exec(out)?.[0] ?? "";
    expect(parse(out.slice(out.indexOf("- {")))).toEqual([
      {
        id: "search-prod",
        project: "search",
        digest: `sha256:${createHash("sha256").update(secret).digest("hex")}`,
        roles: ["inference", "usage"],
        models: ["a/b", "c"],
        expires: "2027-06-30",
      },
    ]);
  });

  it("gives the secret alone on standard output when it is to be quiet, and another one each time", async () => {
    const [first, second] = await Promise.all([
      run(["keys", "create", "--project", "true", "-q"]),
      run(["keys", "create", "--project", "true", "-q"]),
    ]);
    expect(first.out).toMatch(/^llmg_[A-Za-z0-9_-]{43}\n$/);
    expect(first.out).not.toBe(second.out);
    expect(parse(first.err)).toEqual([
      expect.objectContaining({ id: expect.stringMatching(/^true-[0-9a-f]{6}$/), project: "true", models: ["*"] }),
    ]);
    expect(first.err).not.toContain(first.out.trim());
  });
});
