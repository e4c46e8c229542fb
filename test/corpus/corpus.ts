// The recorded provider traffic, read from the folder that CORPUS_DIR names, or from where it stands beside the repository.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));

export const corpusDir = process.env["CORPUS_DIR"] ?? resolve(repository, "../shared/corpus");

/** One recorded exchange. */
export type CorpusCase = {
  readonly id: string;
  readonly provider: string;
  readonly protocol: string;
  readonly endpoint: string;
  readonly model: string;
  readonly stream: boolean;
  /** "json", "sse", "ndjson", "eventstream" … */
  readonly bodyKind: string;
  readonly status: number;
  readonly features: readonly string[];
  readonly quirks: readonly string[];
  readonly responseFile: string;
  readonly hasRequest: boolean;
};

/** All cases of the corpus. Throws one line when it is not there: a suite that skips itself proves nothing. */
export function readCorpus(): readonly CorpusCase[] {
  const index = join(corpusDir, "index.json");
  if (!existsSync(index))
    throw new Error(`no corpus at ${corpusDir}; set CORPUS_DIR to the folder that holds index.json`);
  return parse(readFileSync(index, "utf8")).map((entry) => ({
    id: text(entry, "id"),
    provider: text(entry, "provider"),
    protocol: text(entry, "protocol"),
    endpoint: text(entry, "endpoint"),
    model: text(entry, "model"),
    stream: entry["stream"] === true,
    bodyKind: text(entry, "body_kind"),
    status: Number(entry["status"]),
    features: texts(entry, "features"),
    quirks: texts(entry, "quirks"),
    responseFile: text(entry, "response_file"),
    hasRequest: existsSync(join(corpusDir, text(entry, "id"), "request.json")),
  }));
}

/** Bytes of the answer as they were on the wire. */
export function readBody({ id, responseFile }: CorpusCase): Uint8Array {
  const bytes = readFileSync(join(corpusDir, id, responseFile));
  return new Uint8Array(responseFile.endsWith(".b64") ? Buffer.from(bytes.toString("ascii"), "base64") : bytes);
}

/** Headers of the answer that the recorder kept, names in lower case. */
export function readHeaders({ id }: CorpusCase): Readonly<Record<string, string>> {
  const file = join(corpusDir, id, "response_headers.json");
  if (!existsSync(file)) return {};
  const headers: Record<string, unknown> = JSON.parse(readFileSync(file, "utf8"));
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), toHeader(value)]));
}

/** The request's JSON text. */
export function readRequest({ id }: CorpusCase): string {
  return readFileSync(join(corpusDir, id, "request.json"), "utf8");
}

type Entry = Readonly<Record<string, unknown>>;

function parse(json: string): readonly Entry[] {
  const entries: readonly Entry[] = JSON.parse(json);
  return entries;
}

function text(entry: Entry, name: string): string {
  const value = entry[name];
  return typeof value === "string" ? value : "";
}

function texts(entry: Entry, name: string): readonly string[] {
  const value = entry[name];
  return Array.isArray(value) ? value.map(String) : [];
}

function toHeader(value: unknown): string {
  return Array.isArray(value) ? value.join(", ") : String(value);
}
