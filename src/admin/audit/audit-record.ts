// One line of the audit log. Each carries the hash of the one before it, so that a line that was changed, left out or put
// in between breaks the chain.
import { hash } from "node:crypto";
import { isObject } from "../stored-json.ts";
import type { AuditEntry } from "./audit-trail.ts";

export type AuditEvent = {
  readonly entry: AuditEntry;
  /** Unix milliseconds of what is told; of the last when it stands for several. */
  readonly timeMs: number;
  /** Unix milliseconds of the first of several. */
  readonly firstMs: number;
  /** How many it stands for. */
  readonly count: number;
};

/** Where the chain stands. */
export type ChainEnd = { readonly sequence: number; readonly hash: string };

/** Before the first record. */
export const chainBegin: ChainEnd = { sequence: 0, hash: "0".repeat(64) };

/** Callers choose ids: they must not make a record long. */
const textLengthMax = 256;

/** The line without its line feed, and where the chain stands after it. */
export function toAuditLine(event: AuditEvent, before: ChainEnd): { readonly line: string; readonly end: ChainEnd } {
  const { entry, timeMs, firstMs, count } = event;
  const sequence = before.sequence + 1;
  const body = {
    version: 1,
    sequence,
    time: new Date(timeMs).toISOString(),
    kind: entry.kind,
    ...(entry.caller === undefined
      ? {}
      : { caller: { project: entry.caller.projectId, key: entry.caller.keyId, service: entry.caller.service } }),
    ...(entry.resource === "" ? {} : { resource: entry.resource.slice(0, textLengthMax) }),
    ...(entry.reason === "" ? {} : { reason: entry.reason }),
    ...(entry.fields === undefined ? {} : { fields: entry.fields }),
    ...(count === 1 ? {} : { count, first_time: new Date(firstMs).toISOString() }),
    prev: before.hash,
  };
  const digest = hash("sha256", JSON.stringify(body), "hex");
  return { line: JSON.stringify({ ...body, hash: digest }), end: { sequence, hash: digest } };
}

export type LineCheck =
  | { readonly kind: "good"; readonly end: ChainEnd }
  | { readonly kind: "bad"; readonly because: string };

/** `before` undefined: the line is the first that is there, and its predecessor is not. */
export function checkAuditLine(line: string, before: ChainEnd | undefined): LineCheck {
  const record = parseLine(line);
  if (record === undefined) return { kind: "bad", because: "is no record" };
  const { hash: digest, ...body } = record;
  const { sequence, prev } = body;
  if (typeof digest !== "string" || typeof sequence !== "number") return { kind: "bad", because: "is no record" };
  const isWritten = JSON.stringify({ ...body, hash: digest }) === line;
  if (!isWritten || hash("sha256", JSON.stringify(body), "hex") !== digest) {
    return { kind: "bad", because: "was changed: its hash does not fit" };
  }
  if (before !== undefined && (prev !== before.hash || sequence !== before.sequence + 1)) {
    return { kind: "bad", because: "does not follow the record before it: something was taken out or put in" };
  }
  return { kind: "good", end: { sequence, hash: digest } };
}

function parseLine(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(line);
    return isObject(json) ? json : undefined;
  } catch {
    return undefined; // What is no JSON is no record.
  }
}
