import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import {
  CorrectionPrices,
  type CorrectUsageRequest,
  Outcome,
  type QueryUsageRequest,
  UsageEventSchema,
  UsageRowSchema,
  type UsageSchema,
  UsageService,
  UsageSource,
} from "../contract.ts";
import type { CommandIo } from "./command-io.ts";
import { runProgram } from "./program.ts";

const key = "llmg_canary";
let server: Http2Server | undefined;
const sessions = new Set<ServerHttp2Session>();

/** A gateway that has nothing but this UsageService; gives its address. */
async function listen(service: Partial<ServiceImpl<typeof UsageService>>, port = 0): Promise<string> {
  server = createServer(connectNodeAdapter({ routes: (router) => router.service(UsageService, service) }));
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function stop(): Promise<void> {
  for (const session of sessions) session.destroy();
  if (server?.listening) await new Promise((resolve) => server?.close(resolve));
}

afterEach(stop);

function start(words: readonly string[], onOut: (all: string) => void = () => undefined) {
  const written = { out: "", err: "" };
  const ending = new AbortController();
  const io: CommandIo = {
    out: (text) => {
      written.out += text;
      onOut(written.out);
    },
    err: (text) => {
      written.err += text;
    },
    isTerminal: false,
    environment: { LLM_GATEWAY_KEY: key },
    nowMs: () => 1_800_000_000_000,
    signal: ending.signal,
  };
  return { written, end: () => ending.abort(), code: runProgram(["node", "llm-gateway", "usage", ...words], io) };
}

const row = (model: string, project: string, calls: bigint, costNanoUsd: bigint) =>
  create(UsageRowSchema, {
    dimensions: { model, project },
    labels: { feature: "search" },
    requestCount: calls,
    errorCount: 1n,
    inputTokens: 1200n,
    cacheReadInputTokens: 1000n,
    outputTokens: 34n,
    costNanoUsd,
  });

const event = (id: string, model: string) =>
  create(UsageEventSchema, {
    eventId: id,
    eventTime: timestampFromMs(1_800_000_000_000),
    principal: { projectId: "search" },
    requestedModel: model,
    model,
    provider: "anthropic",
    outcome: Outcome.SUCCEEDED,
    usage: { inputTokens: 12 },
    cost: { totalNanoUsd: 1_234_567n },
    duration: durationFromMs(1250),
  });

describe("usage sum", () => {
  it("shows what providers report, and how far that is from our prices, where they do", async () => {
    const told = create(UsageRowSchema, {
      ...row("chat", "search", 2n, 4_000_000n),
      reportedCostNanoUsd: 4_400_000n,
      comparedCostNanoUsd: 4_000_000n,
    });
    const address = await listen({ queryUsage: () => ({ rows: [told, row("local", "search", 1n, 2_000_000n)] }) });
    const { written, code } = start(["sum", "-a", address, "--by", "model"]);
    expect(await code).toBe(0);
    expect(written.out.split("\n").map((line) => line.split(/ {2,}/).slice(-3))).toEqual([
      ["COST USD", "REPORTED", "DRIFT"],
      ["0.004000", "0.004400", "+10.0 %"],
      ["0.002000", "0.000000", "-"],
      ["0.006000", "0.004400", "+10.0 %"],
      [""],
    ]);
  });

  it("asks for the dimensions and the time, page by page, and prints an aligned table with its total", async () => {
    const asked: QueryUsageRequest[] = [];
    const authorisations: (string | null)[] = [];
    const address = await listen({
      queryUsage(request, context) {
        asked.push(request);
        authorisations.push(context.requestHeader.get("authorization"));
        return request.pageToken === ""
          ? { rows: [row("chat", "search", 2n, 1_500n)], nextPageToken: "more" }
          : { rows: [row("\u001b[31mlocal-chat", "", 10n, 2_000_000_000n)] };
      },
    });
    const { written, code } = start(["sum", "-a", address, "--by", "model,project,label:feature", "--since", "1h"]);
    expect(await code).toBe(0);
    expect(written.out).toBe(
      [
        "MODEL            PROJECT  FEATURE  CALLS  ERRORS  INPUT  CACHED  OUTPUT  COST USD",
        "chat             search   search       2       1   1200    1000      34  0.000002",
        "?[31mlocal-chat  -        search      10       1   1200    1000      34  2.000000",
        "total                                 12       2   2400    2000      68  2.000002",
        "",
      ].join("\n"),
    );
    expect(asked.map(({ groupByLabels, pageToken }) => [groupByLabels, pageToken])).toEqual([
      [["feature"], ""],
      [["feature"], "more"],
    ]);
    expect(asked[0]?.filter?.startTime?.seconds).toBe(1_800_000_000n - 3600n);
    expect(authorisations).toEqual([`Bearer ${key}`, `Bearer ${key}`]);
  });

  it("prints JSON lines that a program can read", async () => {
    const address = await listen({ queryUsage: () => ({ rows: [row("chat", "search", 2n, 1_500n)] }) });
    const { written, code } = start(["sum", "--address", `http://${address}`, "--json"]);
    expect(await code).toBe(0);
    expect(JSON.parse(written.out)).toMatchObject({ requestCount: "2", costNanoUsd: "1500" });
  });

  it("says so when there is none", async () => {
    const address = await listen({ queryUsage: () => ({}) });
    const { written, code } = start(["sum", "-a", address]);
    expect([await code, written.out]).toEqual([0, "no usage in this time\n"]);
  });

  it("says in one line why it failed, and exit code 1", async () => {
    const address = await listen({
      queryUsage() {
        throw new ConnectError("credentials", Code.Unauthenticated);
      },
    });
    const refused = start(["sum", "-a", address]);
    expect([await refused.code, refused.written.err]).toEqual([1, "llm-gateway: the gateway does not know this key\n"]);
    await stop();
    const absent = start(["sum", "-a", address]);
    expect([await absent.code, absent.written.err]).toEqual([
      1,
      `llm-gateway: no gateway answers at ${address}; is it running?\n`,
    ]);
  });
});

describe("usage tail", () => {
  it("prints events as they come, goes on after the last one when the connection is lost, and ends when told", async () => {
    const cursors: string[] = [];
    const address = await listen({
      async *watchUsageEvents(request) {
        cursors.push(request.cursor);
        yield { cursor: "c0" };
        yield { event: event("1", "chat"), cursor: "c1" };
        throw new ConnectError("draining", Code.Unavailable);
      },
    });
    const { written, code, end } = start(["tail", "-a", address], (all) => {
      if (all.split("chat").length > 2) end();
    });
    expect(await code).toBe(0);
    expect(cursors).toEqual(["", "c1"]);
    const [head, first] = written.out.split("\n");
    expect(head).toMatch(/^TIME +PROJECT +MODEL +PROVIDER +OUTCOME +INPUT +OUTPUT +COST USD +MS$/);
    expect(first).toMatch(/^2027-01-15 08:00:00 {2}search +chat +anthropic +succeeded +12 +\? +0\.001235 +1250$/);
    expect(written.err).toBe("connection lost; connecting again\n");
  });

  it("prints JSON lines, from a position on", async () => {
    const address = await listen({
      async *watchUsageEvents(request) {
        yield { event: event(request.cursor, "chat"), cursor: "c1" };
      },
    });
    const { written, code, end } = start(["tail", "-a", address, "--json", "--cursor", "c7"], () => end());
    expect(await code).toBe(0);
    expect(JSON.parse(written.out)).toMatchObject({ eventId: "c7", model: "chat" });
  });

  it("fails at once when no gateway answers", async () => {
    const address = await listen({});
    await stop();
    const { written, code } = start(["tail", "-a", address, "--json"]);
    expect([await code, written.err]).toEqual([1, `llm-gateway: no gateway answers at ${address}; is it running?\n`]);
  });
});

describe("usage correct", () => {
  const eventOf = (eventId: string, usage: MessageInitShape<typeof UsageSchema>, totalNanoUsd: bigint) =>
    create(UsageEventSchema, { eventId, usage, cost: { totalNanoUsd, priceListVersion: `list of ${eventId}` } });
  const lost = eventOf("lost", { inputTokens: 100, outputTokens: 7, source: UsageSource.ESTIMATED }, 2_000_000n);
  const truer = { inputTokens: 90, outputTokens: 40, searchUnits: 2, source: UsageSource.PROVIDER };

  it("asks for what is truer, and shows what the event said before and says now", async () => {
    const asked: CorrectUsageRequest[] = [];
    const address = await listen({
      correctUsage(request) {
        asked.push(request);
        return { correctedEvent: lost, event: eventOf(request.validateOnly ? "" : "new", truer, 1_500_000n) };
      },
    });
    const words = ["correct", "lost", "-a", address, "--reason", "dashboard", "--prices", "now", "--attempt", "2"];
    const counts = ["--input-tokens", "90", "--output-tokens", "40", "--usage", '{"searchUnits": 2, "inputTokens": 1}'];
    const { written, code } = start([...words, ...counts, "--request-id", "r-1", "--service-tier", "flex"]);
    expect([await code, written.err]).toEqual([0, ""]);
    expect(written.out).toBe(
      [
        "                     BEFORE        AFTER     CHANGE",
        "input_tokens            100           90        -10",
        "output_tokens             7           40        +33",
        "search_units              ?            2         +2",
        "source            estimated     provider",
        "cost USD           0.002000     0.001500  -0.000500",
        "price list     list of lost  list of new",
        "new replaces lost",
        "",
      ].join("\n"),
    );
    expect(asked[0]).toMatchObject({
      eventId: "lost",
      reason: "dashboard",
      usage: { inputTokens: 90, outputTokens: 40, searchUnits: 2 },
      attempt: 2,
      serviceTier: "flex",
      prices: CorrectionPrices.CURRENT,
      validateOnly: false,
      requestId: "r-1",
    });
    const dry = start([...words, ...counts, "--dry-run"]);
    expect(await dry.code).toBe(0);
    expect(dry.written.out).toContain("\nnothing was written\n");
    expect(asked[1]?.validateOnly).toBe(true);
  });

  it("leaves the counts as they are when it only prices anew, and prints both events as JSON", async () => {
    const asked: CorrectUsageRequest[] = [];
    const address = await listen({
      correctUsage(request) {
        asked.push(request);
        return { correctedEvent: lost, event: eventOf("new", truer, 1n) };
      },
    });
    const { written, code } = start(["correct", "lost", "-a", address, "--reason", "price", "--reprice", "--json"]);
    expect(await code).toBe(0);
    expect(asked[0]?.usage).toBeUndefined();
    expect(asked[0]?.prices).toBe(CorrectionPrices.OF_RPC);
    expect(JSON.parse(written.out)).toMatchObject({ correctedEvent: { eventId: "lost" }, event: { eventId: "new" } });
  });

  it.each([
    ["nothing that is truer", [], "say what is truer"],
    ["counts, and that they stay", ["--reprice", "--input-tokens", "1"], "--reprice leaves the counts as they are"],
    ["a count that is none", ["--input-tokens", "-1"], "Say a whole number"],
    ["counts that are no JSON", ["--usage", "{"], "--usage must be JSON"],
    ["counts that the contract does not know", ["--usage", '{"tokens": 1}'], "--usage must be JSON"],
  ])("is called wrongly with %s", async (_, words, message) => {
    const { written, code } = start(["correct", "lost", "--reason", "r", ...words]);
    expect(await code).toBe(2);
    expect(written.err).toContain(message);
  });

  it("says why the gateway refused", async () => {
    const address = await listen({
      correctUsage() {
        throw new ConnectError("the event was corrected by x: correct that one", Code.Aborted);
      },
    });
    const { written, code } = start(["correct", "lost", "-a", address, "--reason", "r", "--reprice"]);
    expect(await code).toBe(1);
    expect(written.err).toBe(
      "llm-gateway: the gateway says: the event was corrected by x: correct that one (Aborted)\n",
    );
  });
});
