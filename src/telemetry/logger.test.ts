import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import { createLogger } from "./logger.ts";

/** The lines that `write` logs. */
function linesOf(write: (logger: ReturnType<typeof createLogger>) => void): string {
  let written = "";
  write(createLogger("info", { write: (line) => (written += line) }));
  return written;
}

const canary = "sk-canary-0123456789";

describe("a log line", () => {
  it("never holds what stands under the name of a secret or of content", () => {
    const line = linesOf((logger) =>
      logger.info(
        {
          authorization: canary,
          headers: { authorization: canary, "x-api-key": canary, accept: "*/*" },
          request: { headers: { cookie: canary }, body: canary, messages: [canary] },
          credential: { kind: "api-key", value: canary },
        },
        "sent",
      ),
    );
    expect(line).not.toContain("canary");
    expect(JSON.parse(line)).toMatchObject({ headers: { accept: "*/*" }, msg: "sent" });
  });

  it("says of our own errors what they say, and not what the provider said", () => {
    const failure = new ProviderFailure("rejected-request", "the provider refused the request", {
      providerMessage: canary,
      cause: new SyntaxError(`Unexpected token in "${canary}"`),
    });
    const line = linesOf((logger) =>
      logger.error({ err: new CallFailure(ErrorReason.INTERNAL, "no answer", { cause: failure }) }, "call failed"),
    );
    expect(line).not.toContain("canary");
    expect(JSON.parse(line).err).toMatchObject({
      type: "CallFailure",
      message: "no answer",
      cause: {
        type: "ProviderFailure",
        kind: "rejected-request",
        message: "the provider refused the request",
        cause: { type: "SyntaxError" },
      },
    });
  });

  it("says of foreign errors where they happened, and not what they quote", () => {
    let thrown: unknown;
    try {
      JSON.parse(canary);
    } catch (error) {
      thrown = error;
    }
    const line = linesOf((logger) =>
      logger.error({ err: thrown, cause: canary, error: new Error(`${canary}\n at x`) }, "odd"),
    );
    expect(line).not.toContain("canary");
    const { err } = JSON.parse(line);
    expect(err.type).toBe("SyntaxError");
    expect(err).not.toHaveProperty("message");
    expect(err.at[0]).toMatch(/logger\.test\.ts:\d+:\d+/);
  });

  it("says the code and the message of the operating system's errors", () => {
    const error = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:4222"), {
      code: "ECONNREFUSED",
      errno: -111,
      syscall: "connect",
    });
    expect(JSON.parse(linesOf((logger) => logger.warn({ err: error }, "x"))).err).toMatchObject({
      code: "ECONNREFUSED",
      message: "connect ECONNREFUSED 127.0.0.1:4222",
    });
  });

  it("says the name of an error that is given in its place, and no other text", () => {
    const fields = [{ error: "TypeError" }, { error: canary }, { error: "Error: canary" }];
    const types = fields.map((field) => JSON.parse(linesOf((logger) => logger.error(field, "x"))).error);
    expect(types).toEqual([{ type: "TypeError" }, { type: "string" }, { type: "string" }]);
  });

  it("ends with errors that are their own cause", () => {
    const loop = new Error("a");
    loop.cause = loop;
    expect(() => linesOf((logger) => logger.error({ err: loop }, "x"))).not.toThrow();
  });
});

describe("the log of a process", () => {
  const logger = new URL("./logger.ts", import.meta.url).href;
  const run = async (code: string) => {
    const script = `import { createLog } from ${JSON.stringify(logger)};\n${code}`;
    return promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  };

  it("has every line, in order, although the process ends at once", async () => {
    const { stdout } = await run(`
      const log = createLog({ level: "info", descriptor: 1 });
      for (let index = 0; index < 5000; index += 1) {
        if (index % 2 === 0) log.writeLine(JSON.stringify({ index }) + "\\n");
        else log.logger.info({ index }, "line");
      }
      process.exit(0);`);
    const indexes = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).index);
    expect(indexes).toEqual(Array.from({ length: 5000 }, (_, index) => index));
  });

  it("reaches a reader although the process goes on and the buffer is not full", async () => {
    const script = `import { createLog } from ${JSON.stringify(logger)};
      createLog({ level: "info", descriptor: 1 }).logger.info("early");
      process.stdin.resume();`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [line] = await once(child.stdout, "data");
    child.kill();
    expect(JSON.parse(String(line)).msg).toBe("early");
  });

  it("goes to standard error for commands, and is silent when told so", async () => {
    const { stdout, stderr } = await run(`
      createLog({ level: "warn", descriptor: 2 }).logger.warn("told");
      createLog({ level: "silent", descriptor: 2 }).logger.error("untold");`);
    expect(stdout).toBe("");
    expect(JSON.parse(stderr).msg).toBe("told");
  });
});
