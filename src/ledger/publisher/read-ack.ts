import type { Msg } from "@nats-io/transport-node";

export type Ack =
  /** `count`: events of the batch. `duplicate`: the stream had it already. */
  | { readonly kind: "stored"; readonly duplicate: boolean; readonly count: number }
  | { readonly kind: "refused"; readonly because: string };

/** Reads a PubAck: `{"stream":"USAGE","seq":1,"duplicate":true}`, `{"error":{"code":503,"description":"…"}}`, or a bare 503. */
export function readAck(message: Msg): Ack {
  if (message.headers !== undefined && message.headers.code >= 400) {
    return { kind: "refused", because: "no stream takes the subject" };
  }
  const answer: unknown = parse(message);
  if (typeof answer !== "object" || answer === null)
    return { kind: "refused", because: "an unreadable acknowledgement" };
  if ("error" in answer && typeof answer.error === "object" && answer.error !== null) {
    const { error } = answer;
    return {
      kind: "refused",
      because: "description" in error ? String(error.description) : "an error without a description",
    };
  }
  const duplicate = "duplicate" in answer && answer.duplicate === true;
  return { kind: "stored", duplicate, count: "count" in answer ? Number(answer.count) : 1 };
}

function parse(message: Msg): unknown {
  try {
    return message.json();
  } catch {
    return undefined; // Said by the caller.
  }
}
