// The answers of an index cross a thread, or processes, as plain values: they are told apart here, once.
import type { EventRow, EventWithCorrection, SumRow, Tail } from "./index-query.ts";

export function rowsOf(answer: unknown): readonly SumRow[] {
  if (!Array.isArray(answer)) throw new Error("the usage index gave no rows");
  return answer;
}

export function eventsOf(answer: unknown): readonly EventRow[] {
  if (!Array.isArray(answer)) throw new Error("the usage index gave no events");
  return answer;
}

export function placeOf(answer: unknown): bigint {
  if (typeof answer !== "bigint") throw new Error("the usage index gave no place");
  return answer;
}

export function tailOf(answer: unknown): Tail {
  if (typeof answer !== "object" || answer === null || !("events" in answer && "end" in answer)) {
    throw new Error("the usage index gave no tail");
  }
  return { events: eventsOf(answer.events), end: placeOf(answer.end) };
}

export function foundOf(answer: unknown): EventWithCorrection | undefined {
  if (answer === undefined) return undefined;
  const isFound = typeof answer === "object" && answer !== null && "event" in answer && "correction" in answer;
  if (!isFound || !(answer.event instanceof Uint8Array)) throw new Error("the usage index gave no event");
  const { event, correction } = answer;
  return { event, correction: correction instanceof Uint8Array ? correction : undefined };
}
