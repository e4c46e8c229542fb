// h2spec, the conformance suite of HTTP/2 and HPACK, with its strict cases, against our HTTP/2. Behind it stands a handler that
// reads a request wholly before it answers: what a server owes to half-closed streams cannot be asked of one that was faster.
// Not through the gateway's port, which takes a broken preface for HTTP/1.1 and answers that. Needs Go, as other clients do.
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { servePlain } from "../../src/server/http2/plain/serve-plain.ts";
import { serveConnections } from "../../src/server/http2/testing/serve-connections.ts";
import { isGoInstalled } from "../clients/build-go-clients.ts";

const run = promisify(execFile);
const module = join(import.meta.dirname, "h2spec");
const binary = join(import.meta.dirname, "../../node_modules/.cache/go-clients/h2spec");
const buildMsMax = 300_000;
const runMsMax = 120_000;

type Case = { readonly name: string; readonly failure: string | undefined };

/** What came of every case. Version and sums are the module's. */
async function runH2spec(): Promise<Case[]> {
  mkdirSync(join(binary, ".."), { recursive: true });
  const build = ["build", "-o", binary, "github.com/summerwind/h2spec/cmd/h2spec"];
  await run("go", build, { cwd: module, timeout: buildMsMax });
  const served = await serveConnections((stream, headers) => {
    servePlain(stream, headers, (request, response) => {
      request.resume();
      request.once("end", () => {
        response.writeHead(200, { "content-type": "text/plain" });
        response.end("heard");
      });
    });
  });
  const folder = await mkdtemp(join(tmpdir(), "h2spec-"));
  try {
    const report = join(folder, "report.xml");
    const args = ["--strict", "--host", "127.0.0.1", "--port", String(served.port), "--junit-report", report];
    // Ends with 1 when a case fails, which the report says better.
    await run(binary, args, { timeout: runMsMax }).catch(() => undefined);
    return readReport(await readFile(report, "utf8"));
  } finally {
    await served.close();
    await rm(folder, { recursive: true });
  }
}

function readReport(xml: string): Case[] {
  const pattern = /<testcase package="([^"]*)" classname="([^"]*)"[^>]*>(.*?)<\/testcase>/gs;
  const seen = new Map<string, number>();
  return Array.from(xml.matchAll(pattern), ([, section = "", title = "", result = ""]) => {
    const name = `${section} ${title.replaceAll("&#34;", '"').replaceAll("&#39;", "'")}`;
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { name: count === 1 ? name : `${name} (${count})`, failure: result === "" ? undefined : result };
  });
}

const cases = isGoInstalled ? await runH2spec() : [];

describe.runIf(isGoInstalled)("h2spec", () => {
  it("has all its cases", () => expect(cases).toHaveLength(146));

  it.each(cases)("$name", ({ failure }) => expect(failure).toBeUndefined());
});
