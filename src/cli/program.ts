// The command line. Each command is a file that is imported when it runs, so that `serve` loads nothing but what it
// serves with. Exit codes: 0 it worked, 1 it did not, 2 it was called wrongly. Errors are one line, never a stack.
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../config/duration.ts";
import { parseSize } from "../config/size.ts";
import { CommandError } from "./command-error.ts";
import { type CommandIo, processIo } from "./command-io.ts";

export type ExitCode = 0 | 1 | 2;

type Exit = { code: ExitCode };

const defaultAddress = "127.0.0.1:50051";
const dayMs = 24 * 3_600_000;
/** More than a machine has cores for; each has a journal and a heap of its own. */
const workersMax = 128;
/** Most of one kind that an attempt is corrected to; the gateway has the same limit. */
const countMax = 100_000_000;
/** Counts that a correction is told by an option each; `--usage` takes any. */
const countOptions = [
  { flag: "--input-tokens", name: "input tokens, cached or not" },
  { flag: "--output-tokens", name: "output tokens, reasoning included" },
  { flag: "--cache-read-input-tokens", name: "input tokens read from a cache" },
  { flag: "--cache-write-input-tokens", name: "input tokens written to a cache" },
  { flag: "--reasoning-output-tokens", name: "output tokens of reasoning" },
] as const;

/** Runs the command that `argv` names, as `process.argv` gives it. Gives the exit code; never rejects. */
export async function runProgram(argv: readonly string[], io: CommandIo = processIo()): Promise<ExitCode> {
  const exit: Exit = { code: 0 };
  try {
    const words = argv.slice(2);
    const program = createProgram(io, exit, await simulatorHelp(words));
    await program.parseAsync([...words], { from: "user" });
    return exit.code;
  } catch (error) {
    return reportError(error, io);
  }
}

function createProgram(io: CommandIo, exit: Exit, controlHelp: string): Command {
  const program = new Command("llm-gateway")
    .description("A gRPC gateway between backend services and every LLM provider.")
    .exitOverride()
    .showHelpAfterError("(add --help to see what is possible)")
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .addHelpText(
      "after",
      examples(
        "llm-gateway serve --demo                     try it, without an account",
        "llm-gateway check --config gateway.yaml      every mistake of the file at once",
        "llm-gateway serve --config gateway.yaml",
        "llm-gateway keys create --project search",
        "llm-gateway usage sum --by model --since 24h",
      ),
    );
  addServe(program, io);
  addCheck(program, io, exit);
  addSimulate(program, controlHelp);
  addKeys(program, io);
  addUsage(program, io, exit);
  addApply(program, io, exit);
  addAudit(program, io);
  addNats(program, io);
  return program;
}

// ── The commands ────────────────────────────────────────────────────────────────────────────────────────────────────

function addServe(program: Command, io: CommandIo): void {
  program
    .command("serve")
    .description("Run the gateway until SIGTERM or SIGINT, which lets calls under way finish.")
    .option("-c, --config <file>", "the operator's file")
    .addOption(new Option("--demo", "simulated providers and a demo key, without a file").conflicts("config"))
    .option("--data-dir <folder>", "where --demo keeps its journal", "./data")
    .option(
      "-w, --workers <number>",
      "processes that share the port and all limits, one for each core that is to be used",
      wholeNumber(1, workersMax),
      1,
    )
    .addHelpText(
      "after",
      examples(
        "llm-gateway serve --config gateway.yaml",
        "llm-gateway serve --config gateway.yaml --workers 4",
        "llm-gateway serve --demo",
        "OPENAI_API_KEY=… llm-gateway serve --demo    with the real provider beside the simulated ones",
      ),
    )
    .action(async (options: { config?: string; demo?: boolean; dataDir: string; workers: number }) => {
      if (options.config === undefined && options.demo !== true) {
        throw new CommandError("serve needs --config FILE, or --demo to run without one", { exitCode: 2 });
      }
      const { serve } = await import("./serve.ts");
      const { workers } = options;
      await serve(
        options.config === undefined
          ? { kind: "demo", dataDir: options.dataDir, workers }
          : { kind: "config", file: options.config, workers },
        io,
      );
    });
}

function addCheck(program: Command, io: CommandIo, exit: Exit): void {
  program
    .command("check")
    .description("Check the operator's file: every problem at once, each with its line. Exit code 1 when there is one.")
    .requiredOption("-c, --config <file>", "the operator's file")
    .addHelpText("after", examples("llm-gateway check --config gateway.yaml"))
    .action(async (options: { config: string }) => {
      const [{ check }, { knownNames }] = await Promise.all([import("./check.ts"), import("./known-names.ts")]);
      exit.code = await check(options, knownNames, io);
    });
}

function addSimulate(program: Command, controlHelp: string): void {
  program
    .command("simulate")
    .description("Run the simulator alone: an HTTP server that speaks the providers' wire formats.")
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port to listen on; 0: any that is free", wholeNumber(0, 65_535), 0)
    .option("--seed <number>", "another seed gives other answers", wholeNumber(0, Number.MAX_SAFE_INTEGER), 1)
    .addOption(
      new Option("--pace <duration>", "wait before each token, e.g. 20ms").argParser(duration).default(0, "none"),
    )
    .addHelpText(
      "after",
      examples("llm-gateway simulate --port 8080", "llm-gateway simulate --port 8080 --pace 20ms") +
        (controlHelp === "" ? "" : `\n${controlHelp}\n`),
    )
    .action(async (options: { host: string; port: number; seed: number; pace: number }) => {
      const { simulate } = await import("./simulate.ts");
      await simulate({ host: options.host, port: options.port, seed: options.seed, paceMs: options.pace });
    });
}

function addKeys(program: Command, io: CommandIo): void {
  const keys = program.command("keys").description("Keys of callers.");
  keys
    .command("create")
    .description("Make a key: its secret, shown this once, and the line of the config that knows it by its digest.")
    .requiredOption("--project <id>", "project that the key belongs to")
    .option("--id <name>", "name of the key (default: the project and six letters)")
    .option("--roles <list>", "inference, usage, admin, platform (default: inference)", list)
    .option("--models <list>", "models that may be named (default: all)", list)
    .option("--providers <list>", "providers that may serve, by id or kind (default: all)", list)
    .option("--expires <date>", "from when on it is refused, e.g. 2027-06-30")
    .option("-q, --quiet", "the secret alone on standard output, the line on standard error", false)
    .addHelpText(
      "after",
      examples(
        "llm-gateway keys create --project search",
        "llm-gateway keys create --project search --models support-chat --expires 2027-06-30",
        "llm-gateway keys create --project search --quiet 2>>keys.yaml | kubectl create secret …",
      ),
    )
    .action(async (options: import("./keys-create.ts").KeysCreateOptions) => {
      const { keysCreate } = await import("./keys-create.ts");
      keysCreate(options, io);
    });
}

function addUsage(program: Command, io: CommandIo, exit: Exit): void {
  const usage = program
    .command("usage")
    .description("Usage events: of a running gateway, or of its journal and stream.");
  withGateway(usage.command("tail"))
    .description("Follow usage events as they happen.")
    .option("--cursor <position>", "continue after this position (default: only new events)")
    .addHelpText(
      "after",
      examples("llm-gateway usage tail", "llm-gateway usage tail --project search --json | jq .cost"),
    )
    .action(async (options: import("./usage-tail.ts").UsageTailOptions) => {
      const { usageTail } = await import("./usage-tail.ts");
      await usageTail(withKey(options, io), io);
    });
  withGateway(usage.command("sum"))
    .description("Sum usage by dimension and time.")
    .addOption(
      new Option("--by <list>", "project, key, team, end_user, model, provider, operation, outcome, label:NAME")
        .argParser(list)
        .default(["model"], "model"),
    )
    .addOption(
      new Option("--since <duration>", "how far back, e.g. 24h or 7d").argParser(duration).default(dayMs, "24h"),
    )
    .addOption(
      new Option("--interval <width>", "a row for each time bucket, in UTC").choices([
        "minute",
        "hour",
        "day",
        "month",
      ]),
    )
    .addHelpText(
      "after",
      examples(
        "llm-gateway usage sum --by model,project --since 24h",
        "llm-gateway usage sum --by project --since 7d --interval day",
        "llm-gateway usage sum --by label:feature --json",
      ),
    )
    .action(
      async ({ since, ...options }: Omit<import("./usage-sum.ts").UsageSumOptions, "sinceMs"> & { since: number }) => {
        const { usageSum } = await import("./usage-sum.ts");
        await usageSum({ ...withKey(options, io), sinceMs: since }, io);
      },
    );
  addUsageCorrect(usage, io);
  usage
    .command("replay")
    .description("Put the events of the journal into the stream again: after NATS has lost data.")
    .requiredOption("-c, --config <file>", "the operator's file, with usage.nats")
    .addOption(new Option("--since <duration>", "how far back, e.g. 2h").argParser(duration).makeOptionMandatory())
    .addHelpText("after", examples("llm-gateway usage replay --config gateway.yaml --since 2h"))
    .action(async ({ config, since }: { config: string; since: number }) => {
      const [{ usageReplay }, { knownNames }] = await Promise.all([
        import("./usage-replay.ts"),
        import("./known-names.ts"),
      ]);
      await usageReplay({ config, sinceMs: since }, knownNames, io);
    });
  usage
    .command("reconcile")
    .description("Compare journal, stream and the consumer's database. Exit code 1 when they disagree.")
    .requiredOption("-c, --config <file>", "the operator's file, with usage.nats")
    .addOption(
      new Option("--since <duration>", "how far back, e.g. 2h or 7d").argParser(duration).default(dayMs, "24h"),
    )
    .option("--database <file>", "SQLite file of the billing consumer")
    .addOption(
      new Option("--booked-ids <file>", "event ids that another database has booked, one a line").conflicts("database"),
    )
    .option("--json", "every id, as one JSON line", false)
    .addHelpText(
      "after",
      examples(
        "llm-gateway usage reconcile --config gateway.yaml --database billing.sqlite",
        "psql -Atc 'select event_id from usage_event' > ids && llm-gateway usage reconcile -c gateway.yaml --booked-ids ids",
      ),
    )
    .action(
      async ({
        since,
        ...options
      }: Omit<import("./usage-reconcile.ts").UsageReconcileOptions, "sinceMs"> & { since: number }) => {
        const [{ usageReconcile }, { knownNames }] = await Promise.all([
          import("./usage-reconcile.ts"),
          import("./known-names.ts"),
        ]);
        exit.code = await usageReconcile({ ...options, sinceMs: since }, knownNames, io);
      },
    );
}

function addUsageCorrect(usage: Command, io: CommandIo): void {
  const correct = withAddress(usage.command("correct"), "platform")
    .description("Replace an event by one with truer counts, or with another price.")
    .argument("<event-id>", "event to replace, at the gateway that emitted it")
    .requiredOption("--reason <text>", "why; the project reads it in the new event");
  for (const { flag, name } of countOptions)
    correct.option(`${flag} <number>`, `truer ${name}`, wholeNumber(0, countMax));
  correct
    .addOption(new Option("--usage <json>", "counts of any kind, as the contract's Usage in JSON"))
    .addOption(
      new Option("--attempt <number>", "attempt that consumed it, when several did").argParser(wholeNumber(1, 1_000)),
    )
    .option("--service-tier <name>", "tier that the provider billed the attempt under")
    .addOption(new Option("--prices <time>", "prices of the call, or of now").choices(["call", "now"]).default("call"))
    .option("--reprice", "the counts are right: only price them anew", false)
    .option("--request-id <id>", "the same correction again is made once", "")
    .option("--dry-run", "say what would be written, and write nothing", false)
    .option("--json", "both events, as one JSON line", false)
    .addHelpText(
      "after",
      examples(
        'llm-gateway usage correct 0199… --input-tokens 1200 --output-tokens 340 --reason "dashboard of the provider" --dry-run',
        'llm-gateway usage correct 0199… --reprice --prices now --reason "the old price was wrong"',
      ),
    )
    .action(async (eventId: string, options: Omit<import("./usage-correct.ts").UsageCorrectOptions, "eventId">) => {
      const { usageCorrect } = await import("./usage-correct.ts");
      await usageCorrect({ ...withKey(options, io), eventId }, io);
    });
}

/** The options of the usage commands that read from a running gateway. */
function withGateway(command: Command): Command {
  return withAddress(command, "usage")
    .option("--project <id>", "only this project")
    .option("--model <id>", "only this model")
    .option("--json", "JSON lines", false);
}

/** Where the gateway is, and a key for it. */
function withAddress(command: Command, role: string): Command {
  return (
    command
      .option("-a, --address <address>", "gateway: host:port, or a URL for TLS", defaultAddress)
      // Not a default of the option: help would print it.
      .option("-k, --key <secret>", `secret of a key with the role ${role} (default: the variable LLM_GATEWAY_KEY)`)
      .option("--ca <file>", "certificates that the gateway's is checked against, PEM")
  );
}

function withKey<Options extends { readonly key?: string | undefined }>(options: Options, io: CommandIo) {
  return { ...options, key: options.key ?? io.environment["LLM_GATEWAY_KEY"] };
}

function addApply(program: Command, io: CommandIo, exit: Exit): void {
  program
    .command("apply")
    .description("Make keys, budgets and routes of a running gateway as a file says. What it does not name stays.")
    .requiredOption("-f, --file <file>", "YAML with budgets, routes and keys, under the names of the contract")
    .option("--dry-run", "say what would change, and change nothing; exit code 1 when something would", false)
    .addOption(
      new Option("--grace <duration>", "how long the secret before works after a key got another")
        .argParser(duration)
        .default(dayMs, "24h"),
    )
    .option("-a, --address <address>", "gateway: host:port, or a URL for TLS", defaultAddress)
    // Not a default of the option: help would print it.
    .option(
      "-k, --key <secret>",
      "secret of a key with the role admin or platform (default: the variable LLM_GATEWAY_KEY)",
    )
    .option("--ca <file>", "certificates that the gateway's is checked against, PEM")
    .addHelpText(
      "after",
      examples(
        "llm-gateway apply --file objects.yaml --dry-run",
        "llm-gateway apply --file objects.yaml --address gateway.internal:50051",
      ),
    )
    .action(async ({ grace, ...options }: Omit<import("./apply.ts").ApplyOptions, "graceMs"> & { grace: number }) => {
      const { apply } = await import("./apply.ts");
      exit.code = await apply({ ...withKey(options, io), graceMs: grace }, io);
    });
}

function addAudit(program: Command, io: CommandIo): void {
  const audit = program.command("audit").description("The audit log of a gateway.");
  audit
    .command("verify")
    .description("Check that no record was changed, taken out or put in. Exit code 1 when one was.")
    .requiredOption("--dir <folder>", "folder of the log: audit in the data folder")
    .addHelpText("after", examples("llm-gateway audit verify --dir data/audit"))
    .action(async (options: { dir: string }) => {
      const { auditVerify } = await import("./audit-verify.ts");
      await auditVerify(options, io);
    });
}

function addNats(program: Command, io: CommandIo): void {
  const nats = program.command("nats").description("The NATS stream of usage events.");
  nats
    .command("setup")
    .description("Make or update the stream that the config names, and the consumer that bills from it.")
    .requiredOption("-c, --config <file>", "the operator's file, with usage.nats")
    .addOption(new Option("--replicas <number>", "copies of the stream").choices(["1", "3", "5"]))
    .option("--max-bytes <size>", "most bytes of the stream, e.g. 100GiB (default: no limit but the disk)", size)
    .option("--max-age <duration>", "how long events stay (default: 30d)", duration)
    .option("--dedupe-window <duration>", "how long a repeated event is dropped (default: 30m)", duration)
    .option("--consumer <name>", "durable consumer (default: billing)")
    .addHelpText(
      "after",
      examples(
        "llm-gateway nats setup --config gateway.yaml",
        "llm-gateway nats setup --config gateway.yaml --replicas 3 --max-bytes 100GiB",
      ),
    )
    .action(async (options: NatsFlags) => {
      const [{ natsSetup }, { knownNames }] = await Promise.all([
        import("./nats-setup.ts"),
        import("./known-names.ts"),
      ]);
      const { maxAge, dedupeWindow, replicas, ...rest } = options;
      const settings = { ...rest, replicas: toReplicas(replicas), maxAgeMs: maxAge, duplicateWindowMs: dedupeWindow };
      await natsSetup(settings, knownNames, io);
    });
}

type NatsFlags = {
  readonly config: string;
  readonly replicas?: string;
  readonly maxBytes?: number;
  readonly maxAge?: number;
  readonly dedupeWindow?: number;
  readonly consumer?: string;
};

function toReplicas(text: string | undefined): 1 | 3 | 5 | undefined {
  return ([1, 3, 5] as const).find((count) => String(count) === text);
}

// ── Words of the command line ───────────────────────────────────────────────────────────────────────────────────────

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

function duration(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined) throw new InvalidArgumentError('Say a number with its unit, e.g. "30s" or "24h".');
  return milliseconds;
}

function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new InvalidArgumentError('Say a number with its unit, e.g. "100GiB".');
  return bytes;
}

function list(text: string): readonly string[] {
  return text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(number) || number < min || number > max) {
      throw new InvalidArgumentError(`Say a whole number from ${min} to ${max}.`);
    }
    return number;
  };
}

/** What model names mean to the simulator; loaded only for those who ask for help on it. */
async function simulatorHelp(words: readonly string[]): Promise<string> {
  const isAsked = words.includes("simulate") && words.some((word) => ["--help", "-h", "help"].includes(word));
  if (!isAsked) return "";
  const { controlHelp } = await import("../simulator/controls.ts");
  const width = Math.max(...controlHelp.map(({ form }) => form.length));
  const lines = controlHelp.map(({ form, help }) => `\n  ${form.padEnd(width)}  ${help}`);
  return `\n\nWhat a model name asks for: "sim-" and these words, joined by "+", e.g. sim-tokens-50+pace-20ms${lines.join("")}`;
}

// ── Errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function reportError(error: unknown, io: CommandIo): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // Commander has said why already.
  if (!(error instanceof Error)) {
    io.err("llm-gateway: failed\n");
    return 1;
  }
  // Not one line: a file with several mistakes tells them all.
  const isList = error.name === "ConfigProblems";
  io.err(isList ? `${error.message}\n` : `llm-gateway: ${firstLine(error.message)}\n`);
  return error instanceof CommandError ? error.exitCode : 1;
}

function firstLine(message: string): string {
  const [line = ""] = message.split("\n", 1);
  return line === "" ? "failed" : line;
}
