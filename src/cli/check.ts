import { access, constants } from "node:fs/promises";
import type { Config, CredentialSource, SecretReference } from "../config/config.ts";
import { type LoadOptions, loadConfig } from "../config/load.ts";
import { ConfigProblems, formatProblem } from "../config/problems.ts";
import { unreachable } from "../domain/unreachable.ts";
import type { CommandIo } from "./command-io.ts";

export type CheckOptions = { readonly config: string };

/** `llm-gateway check`: every problem of the file, or a summary with what is still missing around it. Gives the exit code. */
export async function check(options: CheckOptions, known: LoadOptions, io: CommandIo): Promise<0 | 1> {
  try {
    const config = await loadConfig(options.config, known);
    io.out(`${options.config}: ok\n${summary(config)}`);
    for (const note of await secretNotes(config, io)) io.out(`  note: ${note}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigProblems)) throw error;
    for (const problem of error.problems) io.out(`${formatProblem(problem)}\n`);
    const { length } = error.problems;
    io.err(`${options.config}: ${length} ${length === 1 ? "problem" : "problems"}\n`);
    return 1;
  }
}

function summary(config: Config): string {
  const { server, usage } = config;
  const protocol =
    server.tls === undefined ? "clear text" : server.tls.clientCaFile === undefined ? "TLS" : "mutual TLS";
  const targets = config.models.reduce((sum, model) => sum + model.targets.length, 0);
  const host = server.host.includes(":") ? `[${server.host}]` : server.host;
  return [
    `  listens on ${host}:${server.port}, ${protocol}`,
    `  ${count(config.providers.length, "provider")}, ${count(config.models.length, "model")} with ${count(targets, "target")}, ${count(config.rules.length, "rule")}`,
    `  ${count(config.keys.length, "key")}, ${count(config.tenants.projects.length, "project")}, ${count(config.limits.length, "limit")}, ${count(config.budgets.length, "budget")}`,
    `  usage events: journal in ${config.dataDir}${usage.nats === undefined ? "" : `, stream ${usage.nats.stream} on NATS`}`,
    "",
  ].join("\n");
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Secrets that cannot be had right now. No mistake of the file: they may be there where the gateway runs. */
async function secretNotes(config: Config, io: CommandIo): Promise<readonly string[]> {
  const references = [
    ...config.providers.flatMap(({ settings, credentials }) =>
      referencesOf(credentials).map((reference) => ({ owner: `provider ${settings.id}`, reference })),
    ),
    ...[config.usage.nats, config.cluster?.nats].flatMap((nats) =>
      [nats?.credentials, nats?.nkey].flatMap((reference) =>
        reference === undefined ? [] : { owner: "NATS", reference },
      ),
    ),
  ];
  const notes = await Promise.all(
    references.map(async ({ owner, reference }) => {
      const missing = await missingNow(reference, io);
      return missing === undefined ? [] : `${owner}: ${missing}`;
    }),
  );
  return notes.flat();
}

async function missingNow(reference: SecretReference, io: CommandIo): Promise<string | undefined> {
  if ("env" in reference) {
    return (io.environment[reference.env] ?? "") === "" ? `the variable ${reference.env} is not set here` : undefined;
  }
  if (!("file" in reference)) return undefined;
  try {
    await access(reference.file, constants.R_OK);
    return undefined;
  } catch {
    return `the file ${reference.file} cannot be read here`; // Why does not matter: it is a note, not a problem.
  }
}

function referencesOf(source: CredentialSource): readonly SecretReference[] {
  switch (source.kind) {
    case "api-key":
      return source.apiKeys;
    case "access-token":
      return [source.token];
    case "service-account":
      return [source.json];
    case "aws-static":
      return [source.accessKeyId, source.secretAccessKey, ...(source.sessionToken ? [source.sessionToken] : [])];
    case "none":
    case "metadata":
    case "aws-profile":
    case "aws-web-identity":
    case "aws-container":
      return [];
    default:
      return unreachable(source);
  }
}
