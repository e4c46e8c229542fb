// W3C Trace Context (https://www.w3.org/TR/trace-context/, level 1, sections 3.2 and 3.3): read from the caller, carried
// to the event and to NATS. What is malformed counts as absent, and a new trace begins.

/** The place of one call in a trace. Ids in lower-case hex: 32 and 16 digits. */
export type TraceContext = {
  readonly traceId: string;
  /** Our own span. */
  readonly spanId: string;
  /** The caller's span; `undefined`: the trace begins here. */
  readonly parentSpanId: string | undefined;
  /** The caller's decision; `undefined`: none was made. */
  readonly sampled: boolean | undefined;
  /** The caller's `tracestate`, checked; "" when there is none. */
  readonly traceState: string;
};

export type Traceparent = { readonly traceId: string; readonly parentSpanId: string; readonly sampled: boolean };

/** Fills the bytes with random ones. */
export type RandomSource = (bytes: Uint8Array) => void;

const traceparentPattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const headerLengthMax = 512;

/** `undefined` when the header breaks the specification. A later version is read as far as version 00 goes. */
export function parseTraceparent(header: string): Traceparent | undefined {
  if (header.length > headerLengthMax) return undefined;
  const [, version, traceId, parentSpanId, flags, rest] = traceparentPattern.exec(header.trim()) ?? [];
  if (traceId === undefined || parentSpanId === undefined || flags === undefined) return undefined;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (isZero(traceId) || isZero(parentSpanId)) return undefined;
  return { traceId, parentSpanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Header value that names `spanId` as the parent of what follows. */
export function formatTraceparent(traceId: string, spanId: string, sampled: boolean): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

/** Continues the caller's trace with a span of our own, or begins a trace. */
export function continueTrace(
  traceparent: string | undefined,
  traceState: string | undefined,
  random: RandomSource,
): TraceContext {
  const parent = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  return {
    traceId: parent?.traceId ?? newId(16, random),
    spanId: newId(8, random),
    parentSpanId: parent?.parentSpanId,
    sampled: parent?.sampled,
    traceState: parent === undefined || traceState === undefined ? "" : checkedTraceState(traceState),
  };
}

/** A span id of 16 hex digits, never all zero. */
export function newSpanId(random: RandomSource): string {
  return newId(8, random);
}

const stateEntriesMax = 32;
const stateEntry =
  /^(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** The header as it may be passed on; "" when one entry breaks the specification, as section 3.3.1.4 allows. */
function checkedTraceState(header: string): string {
  if (header.length > headerLengthMax) return "";
  const entries = header
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  return entries.length <= stateEntriesMax && entries.every((entry) => stateEntry.test(entry)) ? entries.join(",") : "";
}

/** Written anew for each id, of which a call has three. */
const idBytes = { 8: Buffer.alloc(8), 16: Buffer.alloc(16) } as const;

function newId(byteCount: keyof typeof idBytes, random: RandomSource): string {
  const bytes = idBytes[byteCount].fill(0);
  random(bytes);
  const id = bytes.toString("hex");
  // All zero means "no id" to the specification.
  return isZero(id) ? `${id.slice(1)}1` : id;
}

function isZero(id: string): boolean {
  return /^0+$/.test(id);
}
