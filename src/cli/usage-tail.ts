import { setTimeout as sleep } from "node:timers/promises";
import { create, toJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { Outcome, type UsageEvent, UsageEventSchema, UsageFilterSchema, type UsageService } from "../contract.ts";
import type { CommandIo } from "./command-io.ts";
import { formatUsd } from "./format-usd.ts";
import { formatRow } from "./table.ts";
import { createUsageClient, type GatewayAddress, toCommandError } from "./usage-client.ts";

export type UsageTailOptions = GatewayAddress & {
  readonly project?: string | undefined;
  readonly model?: string | undefined;
  /** Continue after this position. Absent: only new events. */
  readonly cursor?: string | undefined;
  readonly json: boolean;
  /** Wait before a lost connection is tried again, in milliseconds; default 1000. */
  readonly reconnectMs?: number | undefined;
};

const columns = [
  { title: "TIME", align: "left", width: 19 },
  { title: "PROJECT", align: "left", width: 16 },
  { title: "MODEL", align: "left", width: 24 },
  { title: "PROVIDER", align: "left", width: 16 },
  { title: "OUTCOME", align: "left", width: 11 },
  { title: "INPUT", align: "right", width: 8 },
  { title: "OUTPUT", align: "right", width: 8 },
  { title: "COST USD", align: "right", width: 11 },
  { title: "MS", align: "right", width: 8 },
] as const;

/**
 * `llm-gateway usage tail`: events of a running gateway as they happen, until `io.signal`. A connection that is lost
 * after it stood is made again, and goes on after the last event.
 */
export async function usageTail(options: UsageTailOptions, io: CommandIo): Promise<void> {
  const client = createUsageClient(options);
  const position: Position = { cursor: options.cursor ?? "", hasStood: false };
  if (!options.json)
    io.out(
      formatRow(
        columns,
        columns.map(({ title }) => title),
      ),
    );
  while (!io.signal.aborted) {
    const why = await followUntilCut(client, options, position, io);
    if (io.signal.aborted) return;
    io.err(`${why}; connecting again\n`);
    await sleep(options.reconnectMs ?? 1000, undefined, { signal: io.signal }).catch(() => undefined); // Aborted: it ends.
  }
}

type Position = { cursor: string; hasStood: boolean };

/** Why the stream ended, when it is worth trying again. */
async function followUntilCut(
  client: Client<typeof UsageService>,
  options: UsageTailOptions,
  position: Position,
  io: CommandIo,
): Promise<string> {
  try {
    await follow(client, options, position, io);
    return "the gateway ended the stream";
  } catch (error) {
    const isCut = position.hasStood && ConnectError.from(error).code === Code.Unavailable;
    if (!isCut && !io.signal.aborted) throw toCommandError(error, options.address);
    return "connection lost";
  }
}

async function follow(
  client: Client<typeof UsageService>,
  options: UsageTailOptions,
  position: Position,
  io: CommandIo,
): Promise<void> {
  const filter = create(UsageFilterSchema, {
    projectIds: options.project === undefined ? [] : [options.project],
    models: options.model === undefined ? [] : [options.model],
  });
  const onHeader = () => {
    position.hasStood = true;
  };
  for await (const message of client.watchUsageEvents(
    { filter, cursor: position.cursor },
    { signal: io.signal, onHeader },
  )) {
    if (message.event !== undefined) io.out(options.json ? toLine(message.event) : toRow(message.event));
    position.cursor = message.cursor;
  }
}

function toLine(event: UsageEvent): string {
  return `${JSON.stringify(toJson(UsageEventSchema, event))}\n`;
}

function toRow(event: UsageEvent): string {
  const { duration, usage } = event;
  const durationMs =
    duration === undefined ? "" : String(Number(duration.seconds) * 1000 + Math.round(duration.nanos / 1e6));
  return formatRow(columns, [
    event.eventTime === undefined ? "" : timestampDate(event.eventTime).toISOString().slice(0, 19).replace("T", " "),
    event.principal?.projectId ?? "",
    event.model || event.requestedModel,
    event.provider || "-",
    outcomeWord(event.outcome),
    // Unknown is not zero.
    usage?.inputTokens === undefined ? "?" : String(usage.inputTokens),
    usage?.outputTokens === undefined ? "?" : String(usage.outputTokens),
    event.cost === undefined ? "?" : formatUsd(event.cost.totalNanoUsd) + (event.cost.incomplete ? "+" : ""),
    durationMs,
  ]);
}

function outcomeWord(outcome: Outcome): string {
  return (
    Object.entries(Outcome)
      .find(([, value]) => value === outcome)?.[0]
      .toLowerCase() ?? String(outcome)
  );
}
