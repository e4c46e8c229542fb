// Whether a server and a stream are fit to hold usage events. Asked once for each connection.
import type { NatsConnection } from "@nats-io/transport-node";
import { explainNatsError } from "./explain-nats-error.ts";
import { allSubjects } from "./subject.ts";

export type StreamCheck =
  /** `atomic`: batches are allowed. */
  | { readonly kind: "fit"; readonly atomic: boolean }
  /** The user may not look: publishing is tried, item by item. */
  | { readonly kind: "unseen" }
  | { readonly kind: "unfit"; readonly because: string };

const oldestVersion = [2, 12] as const;
const requestTimeoutMs = 5_000;

export async function checkStream(connection: NatsConnection, stream: string, prefix: string): Promise<StreamCheck> {
  const version = connection.info?.version ?? "";
  if (!isRecent(version)) {
    return unfit(`NATS server ${version} is too old: ${oldestVersion.join(".")} or later is needed`);
  }
  let answer: unknown;
  try {
    const reply = await connection.request(`$JS.API.STREAM.INFO.${stream}`, "", { timeout: requestTimeoutMs });
    answer = reply.json();
  } catch (error) {
    if (error instanceof Error && /permission/i.test(`${error.name} ${error.message}`)) {
      // Without the right to replies there are no acknowledgements either.
      return /subscription/i.test(error.message) ? unfit(explainNatsError(error)) : { kind: "unseen" };
    }
    if (error instanceof Error && /no responders|503/i.test(error.message)) return unfit("JetStream is not enabled");
    throw error;
  }
  return judge(answer, stream, prefix);
}

function judge(answer: unknown, stream: string, prefix: string): StreamCheck {
  if (!isRecord(answer)) return unfit("NATS gave an unreadable answer");
  const { error, config } = answer;
  if (isRecord(error)) {
    if (error["code"] === 404) return unfit(`stream ${stream} does not exist: make it with "llm-gateway nats setup"`);
    return unfit(`stream ${stream}: ${String(error["description"])}`);
  }
  if (!isRecord(config)) return unfit("NATS gave an unreadable answer");
  if (config["discard"] !== "new" && isBounded(config)) {
    return unfit(`stream ${stream} drops old events when it is full: set discard to "new"`);
  }
  const subjects = Array.isArray(config["subjects"]) ? config["subjects"].map(String) : [];
  const needed = allSubjects(prefix);
  if (!subjects.some((subject) => covers(subject, needed))) return unfit(`stream ${stream} does not take ${needed}`);
  return { kind: "fit", atomic: config["allow_atomic"] === true };
}

/** Whether the stream can be full: only then does it matter what it discards. */
function isBounded(config: Readonly<Record<string, unknown>>): boolean {
  return ["max_msgs", "max_bytes", "max_msgs_per_subject"].some((name) => Number(config[name] ?? -1) > 0);
}

/** True when every subject that matches `inner` matches `outer` too; `inner` ends in ">". */
export function covers(outer: string, inner: string): boolean {
  const outerTokens = outer.split(".");
  const innerTokens = inner.split(".");
  for (const [index, token] of outerTokens.entries()) {
    const innerToken = innerTokens[index];
    if (innerToken === undefined) return false;
    if (token === ">") return true;
    if (innerToken === ">") return false;
    if (token !== "*" && token !== innerToken) return false;
  }
  return outerTokens.length === innerTokens.length;
}

export function isRecent(version: string): boolean {
  const found = /^(\d+)\.(\d+)/.exec(version);
  if (found === null) return false;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  return major > oldestVersion[0] || (major === oldestVersion[0] && minor >= oldestVersion[1]);
}

function unfit(because: string): StreamCheck {
  return { kind: "unfit", because };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
