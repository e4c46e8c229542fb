import { fromJsonString, toJson } from "@bufbuild/protobuf";
import {
  CorrectionPrices,
  type CorrectUsageResponse,
  CorrectUsageResponseSchema,
  type Usage,
  type UsageEvent,
  UsageSchema,
  UsageSource,
} from "../contract.ts";
import { CommandError } from "./command-error.ts";
import type { CommandIo } from "./command-io.ts";
import { formatUsd } from "./format-usd.ts";
import { type Column, formatTable } from "./table.ts";
import { createUsageClient, type GatewayAddress, toCommandError } from "./usage-client.ts";

export type UsageCorrectOptions = GatewayAddress & {
  readonly eventId: string;
  readonly reason: string;
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly cacheReadInputTokens?: number | undefined;
  readonly cacheWriteInputTokens?: number | undefined;
  readonly reasoningOutputTokens?: number | undefined;
  /** Counts of any kind, as JSON of the contract's Usage; those above win. */
  readonly usage?: string | undefined;
  /** Absent: the only attempt that consumed anything. */
  readonly attempt?: number | undefined;
  readonly serviceTier?: string | undefined;
  /** Whose prices: those of the call's time, or those of now. */
  readonly prices: "call" | "now";
  /** The counts stay. */
  readonly reprice: boolean;
  /** "": none. */
  readonly requestId: string;
  readonly dryRun: boolean;
  readonly json: boolean;
};

const counts = [
  "inputTokens",
  "outputTokens",
  "cacheReadInputTokens",
  "cacheWriteInputTokens",
  "reasoningOutputTokens",
] as const;

const pricesOf = { call: CorrectionPrices.OF_RPC, now: CorrectionPrices.CURRENT } as const;

/** `llm-gateway usage correct`: has a running gateway replace an event, and shows what it said before and says now. */
export async function usageCorrect(options: UsageCorrectOptions, io: CommandIo): Promise<void> {
  const usage = toUsage(options);
  const isTier = options.serviceTier !== undefined;
  if (usage === undefined && !isTier && !options.reprice) {
    throw new CommandError("say what is truer, e.g. --input-tokens 1200, or --reprice", { exitCode: 2 });
  }
  if (usage !== undefined && options.reprice) {
    throw new CommandError("--reprice leaves the counts as they are: leave it or them out", { exitCode: 2 });
  }
  const client = createUsageClient(options);
  const response = await client
    .correctUsage(
      {
        eventId: options.eventId,
        reason: options.reason,
        ...(usage === undefined ? {} : { usage }),
        attempt: options.attempt ?? 0,
        serviceTier: options.serviceTier ?? "",
        prices: pricesOf[options.prices],
        validateOnly: options.dryRun,
        requestId: options.requestId,
      },
      { signal: io.signal },
    )
    .catch((error: unknown) => {
      throw toCommandError(error, options.address);
    });
  io.out(options.json ? `${JSON.stringify(toJson(CorrectUsageResponseSchema, response))}\n` : toText(response));
}

/** `undefined`: no count is said. */
function toUsage(options: UsageCorrectOptions): Usage | undefined {
  const said = counts.filter((name) => options[name] !== undefined);
  if (said.length === 0 && options.usage === undefined) return undefined;
  const usage = parseUsage(options.usage ?? "{}");
  for (const name of said) usage[name] = options[name];
  return usage;
}

function parseUsage(json: string): Usage {
  try {
    return fromJsonString(UsageSchema, json);
  } catch (cause) {
    throw new CommandError("--usage must be JSON of the contract's Usage, e.g. '{\"search_units\": 3}'", {
      exitCode: 2,
      cause,
    });
  }
}

const columns: readonly Column[] = [
  { title: "", align: "left" },
  { title: "BEFORE", align: "right" },
  { title: "AFTER", align: "right" },
  { title: "CHANGE", align: "right" },
];

function toText({ correctedEvent: before, event: after }: CorrectUsageResponse): string {
  if (before === undefined || after === undefined) throw new CommandError("the gateway gave no event");
  const rows = UsageSchema.fields.flatMap(({ localName, name }) => {
    const [from, to] = [countOf(before.usage, localName), countOf(after.usage, localName)];
    if (from === undefined && to === undefined) return [];
    return [[name, toCell(from), toCell(to), toChange((to ?? 0) - (from ?? 0))]];
  });
  const [oldCost, newCost] = [before.cost?.totalNanoUsd, after.cost?.totalNanoUsd];
  const costChange = (newCost ?? 0n) - (oldCost ?? 0n);
  rows.push(
    ["source", sourceOf(before), sourceOf(after), ""],
    ["cost USD", costOf(before), costOf(after), costChange > 0n ? `+${formatUsd(costChange)}` : formatUsd(costChange)],
    ["price list", before.cost?.priceListVersion || "-", after.cost?.priceListVersion || "-", ""],
  );
  const what = after.eventId === "" ? "nothing was written" : `${after.eventId} replaces ${before.eventId}`;
  return `${formatTable(columns, rows)}${what}\n`;
}

/** Counts that are numbers; the rest of a usage is in `--json`. */
function countOf(usage: Usage | undefined, localName: string): number | undefined {
  const value = Object.entries(usage ?? {}).find(([name]) => name === localName)?.[1];
  return typeof value === "number" && localName !== "source" ? value : undefined;
}

/** Unknown is not zero. */
function toCell(count: number | undefined): string {
  return count === undefined ? "?" : String(count);
}

function toChange(difference: number): string {
  return difference > 0 ? `+${difference}` : String(difference);
}

function costOf({ cost }: UsageEvent): string {
  return cost === undefined ? "?" : `${formatUsd(cost.totalNanoUsd)}${cost.incomplete ? "+" : ""}`;
}

function sourceOf({ usage }: UsageEvent): string {
  const word = Object.entries(UsageSource).find(([, value]) => value === usage?.source)?.[0];
  return word === undefined || usage === undefined ? "-" : word.toLowerCase();
}
