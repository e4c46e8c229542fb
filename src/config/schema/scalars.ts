// The words that every section is written in: names, durations, sizes, secrets. Each knows the sentence that tells an
// operator what to write instead, and none repeats the value it refuses, since that might be a secret.
import * as z from "zod";
import { limits } from "../defaults.ts";
import { durationPattern, parseDuration } from "../duration.ts";
import { instantPattern, parseInstant } from "../instant.ts";
import { parseSize, sizePattern } from "../size.ts";

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const nameRule = `letters, digits, ".", "_" and "-", beginning with a letter or digit, at most ${limits.nameLengthMax}`;

/** An id that the operator chooses. */
export const name = z
  .string({ error: `must be a name: ${nameRule}` })
  .max(limits.nameLengthMax, `must be at most ${limits.nameLengthMax} characters`)
  .regex(namePattern, `must be a name: ${nameRule}`);

/** A model id that callers name; may have "/", "@" and ":" inside, as "meta/llama-3.1" has. */
export const modelName = z
  .string({ error: "must be a model id" })
  .max(limits.nameLengthMax, `must be at most ${limits.nameLengthMax} characters`)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:@/-]*$/, 'must be a model id: letters, digits, ".", "_", "-", ":", "@" and "/"');

/** Free text that is not empty. */
export const text = z
  .string({ error: "must be text" })
  .min(1, "must not be empty")
  .max(limits.expressionLengthMax, `must be at most ${limits.expressionLengthMax} characters`);

/** Path of a file or folder, relative to the file that names it. */
export const path = z.string({ error: "must be the path of a file or folder" }).min(1, "must not be empty");

/** Milliseconds, written as "30s". */
export function duration(bounds: { readonly minMs: number; readonly maxMs: number }) {
  const form = 'must be a duration with its unit, e.g. "250ms", "30s", "10m" or "24h"';
  return z
    .string({ error: form })
    .regex(durationPattern, { error: form, abort: true })
    .refine(
      (written) => within(parseDuration(written), bounds.minMs, bounds.maxMs),
      `must be from ${spellDuration(bounds.minMs)} to ${spellDuration(bounds.maxMs)}`,
    )
    .transform((written) => parseDuration(written) ?? 0);
}

/** Bytes, written as a number or as "10GiB". */
export function size(bounds: { readonly min: number; readonly max: number }) {
  const form = 'must be a number of bytes or a size with its unit, e.g. "32MiB" or "10GiB"';
  const range = `must be from ${bounds.min} to ${bounds.max} bytes`;
  return z.union(
    [
      z.int().min(bounds.min, range).max(bounds.max, range),
      z
        .string()
        .regex(sizePattern, { error: form, abort: true })
        .refine((written) => within(parseSize(written), bounds.min, bounds.max), range)
        .transform((written) => parseSize(written) ?? 0),
    ],
    { error: form },
  );
}

/** Unix milliseconds, written as a date or a date and time. */
export const instant = z
  .string({ error: 'must be a date, e.g. "2027-06-30", or a date and time, e.g. "2027-06-30T12:00:00Z"' })
  .regex(instantPattern, {
    error: 'must be a date, e.g. "2027-06-30", or a date and time, e.g. "2027-06-30T12:00:00Z"',
    abort: true,
  })
  .refine((written) => parseInstant(written) !== undefined, "must be a date that exists")
  .transform((written) => parseInstant(written) ?? 0);

/** A whole number in a range. */
export function whole(min: number, max: number) {
  const rule = `must be a whole number from ${min} to ${max}`;
  return z.int({ error: rule }).min(min, rule).max(max, rule);
}

/** Address with scheme http or https, without credentials, query and fragment. */
export const httpUrl = z
  .string({ error: "must be an address that begins with http:// or https://" })
  .refine(isPlainHttpUrl, "must be an http:// or https:// address without user, password, query and fragment");

/** "host:port" to listen on. */
export const listenAddress = z
  .string({ error: 'must be "host:port", e.g. "127.0.0.1:50051"' })
  .refine(
    (written) => parseListen(written) !== undefined,
    'must be "host:port", e.g. "127.0.0.1:50051" or "[::]:50051", with a port from 0 to 65535',
  );

/** "127.0.0.1:50051" → host and port; `undefined` when it is no such address. */
export function parseListen(written: string): { readonly host: string; readonly port: number } | undefined {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(written) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || port === undefined || Number(port) > 65_535) return undefined;
  return { host, port: Number(port) };
}

const secretForms = "{ env: NAME }, { file: PATH }, { command: [PROGRAM, ...] } or { http: { url, field } }";
/** What to write where a secret is wanted. */
export const secretRule = `must be a reference: ${secretForms}; a secret itself is refused in this file`;

const localSecretShape = {
  env: z
    .string({ error: "must be the name of an environment variable" })
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be the name of an environment variable")
    .optional()
    .describe("Name of an environment variable that holds the secret."),
  file: path.optional().describe("File that holds the secret and nothing else; space around it is cut off."),
  command: z
    .array(text, { error: "must be a list: the program and its arguments" })
    .min(1, "must name a program")
    .max(limits.commandWordsMax, `must have at most ${limits.commandWordsMax} words`)
    .optional()
    .describe("Program and arguments, run without a shell; prints the secret."),
};

const localSecret = z
  .strictObject(localSecretShape, { error: orUnknownKey(secretRule) })
  .refine(isOneOf, { error: secretRule, when: isObject });

/** Where a secret is; never the secret. */
export const secret = z
  .strictObject(
    {
      ...localSecretShape,
      http: z
        .strictObject({
          url: httpUrl.describe("Address that answers with JSON."),
          field: text.describe('Where the secret stands in the answer, e.g. "data.data.api_key".'),
          token: localSecret.optional().describe("Sent as `Authorization: Bearer` to that address."),
        })
        .optional()
        .describe("Secret store with an HTTP interface, such as Vault."),
    },
    { error: orUnknownKey(secretRule) },
  )
  .refine(isOneOf, { error: secretRule, when: isObject });

/** Leaves unknown keys to the general message, which names the key; says `rule` to anything else. */
export function orUnknownKey(rule: string): (issue: { readonly code?: string | undefined }) => string | undefined {
  return (issue) => (issue.code === "unrecognized_keys" ? undefined : rule);
}

function isOneOf(value: object): boolean {
  return Object.values(value).filter((entry) => entry !== undefined).length === 1;
}

/** Lets a refinement run although a field has a problem of its own, so that both are told at once. */
function isObject(payload: { readonly value: unknown }): boolean {
  return typeof payload.value === "object" && payload.value !== null;
}

function isPlainHttpUrl(written: string): boolean {
  const url = URL.parse(written);
  if (url === null || !["http:", "https:"].includes(url.protocol)) return false;
  return url.username === "" && url.password === "" && url.search === "" && url.hash === "";
}

function within(amount: number | undefined, min: number, max: number): boolean {
  return amount !== undefined && amount >= min && amount <= max;
}

function spellDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds}ms`;
  return milliseconds < 3_600_000 ? `${milliseconds / 1000}s` : `${milliseconds / 3_600_000}h`;
}
