// What goes over the socket for one request, worked out whole before the first byte is sent: a pure function of the
// request, so that equal requests meet an equal answer and a plan may be kept and played again.
import { asObject, type JsonRecord, parseJson } from "../wire/json.ts";
import { type Controls, listedModels, parseModelControls } from "./controls.ts";
import { parseMultipart } from "./multipart.ts";
import type { Routed } from "./registry.ts";
import { type Script, toScript } from "./script.ts";
import { type Asked, type Frame, type SimulatedWire, type WireFault, WireProblem } from "./wire.ts";

export type Plan = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Writes that follow each other at once are one. */
  readonly writes: readonly Write[];
  /** After the last write. `end`: a whole answer. `cut`: the connection breaks. `stall`: nothing more, but open. `reset`: nothing at all, also no headers. */
  readonly ending: "end" | "cut" | "stall" | "reset";
};

export type Write = { readonly afterMs: number; readonly bytes: Uint8Array };

export type PlanSettings = {
  readonly seed: number;
  /** Pace and the like for models that say nothing of it. */
  readonly baseControls: Controls;
};

/** Never throws: whatever the body, there is an answer to it. */
export function toPlan({ wire, route }: Routed, body: Uint8Array, settings: PlanSettings): Plan {
  if (route.kind === "models") return toJsonPlan(wire.listModels(listedModels));
  try {
    const json = route.isForm === true ? parseMultipart(body) : parseBody(body);
    if (route.kind === "count") return toJsonPlan(wire.count(json, route));
    return toChatPlan(wire, wire.read(json, route), settings);
  } catch (error) {
    if (error instanceof WireProblem) return toFaultPlan(wire, { status: 400, message: error.message });
    throw error;
  }
}

/** An error in the API's own form. */
export function toFaultPlan(wire: SimulatedWire, fault: WireFault): Plan {
  const { headers, body } = wire.fault(fault);
  return toWholePlan(fault.status, { "content-type": "application/json", ...headers }, body, 0);
}

function parseBody(body: Uint8Array): JsonRecord {
  try {
    const json = asObject(parseJson(Buffer.from(body).toString()));
    if (json !== undefined) return json;
  } catch {
    // The same answer as to JSON that is no object, below.
  }
  throw new WireProblem("the body is not a JSON object");
}

function toChatPlan(wire: SimulatedWire, asked: Asked, settings: PlanSettings): Plan {
  const modelControls = parseModelControls(asked.question.model, settings.baseControls);
  if (modelControls === undefined) {
    return toFaultPlan(wire, { status: 404, message: `The model \`${asked.question.model}\` does not exist.` });
  }
  const script = toScript(asked.question, modelControls, settings.seed);
  const { controls } = script;
  if (controls.failStatus !== undefined) {
    const { failStatus: status, retryAfterSeconds } = controls;
    return toFaultPlan(wire, { status, message: "The simulator was asked to fail.", retryAfterSeconds });
  }
  const insteadOfAnswer = toNoAnswer(asked, controls);
  if (insteadOfAnswer !== undefined) return insteadOfAnswer;
  return asked.stream ? toStreamPlan(asked, script) : toUnaryPlan(asked, script);
}

function toNoAnswer(asked: Asked, { fault }: Controls): Plan | undefined {
  const contentType = asked.stream ? asked.contentType.stream : asked.contentType.unary;
  switch (fault?.kind) {
    case "garbage":
      return toWholePlan(200, { "content-type": contentType }, garbage, 0);
    case "html":
      return toWholePlan(200, { "content-type": "text/html; charset=utf-8" }, htmlPage, 0);
    case "silent":
      return { status: 200, headers: { "content-type": contentType }, writes: [], ending: "stall" };
    case "reset":
      return { status: 0, headers: {}, writes: [], ending: "reset" };
    default:
      return undefined;
  }
}

const garbage = '\u0001\u0002}{]] data: \u00ff\u00fe {"choices": [\n\n\u0000';
const htmlPage = "<!doctype html><html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>";

/** A unary answer takes as long as the stream of it would. */
function toUnaryPlan(asked: Asked, script: Script): Plan {
  const { controls } = script;
  const body = asked.toUnary(script);
  const afterMs = controls.firstTokenMs + controls.paceMs * script.usage.outputTokens;
  const whole = toWholePlan(200, { "content-type": asked.contentType.unary }, body, afterMs);
  switch (controls.fault?.kind) {
    case "cut":
    case "end":
      return { ...whole, writes: [{ afterMs, bytes: halfOf(body) }], ending: "cut" };
    case "stall":
      return { ...whole, writes: [{ afterMs, bytes: halfOf(body) }], ending: "stall" };
    default:
      return whole;
  }
}

function halfOf(body: string): Uint8Array {
  const bytes = Buffer.from(body);
  return bytes.subarray(0, bytes.length >> 1);
}

function toStreamPlan(asked: Asked, script: Script): Plan {
  const headers = { "content-type": asked.contentType.stream, "cache-control": "no-cache" };
  const frames = asked.toFrames(script);
  const { fault } = script.controls;
  if (fault === undefined || !("afterPieces" in fault)) {
    return { status: 200, headers, writes: toWrites(frames, script.controls), ending: "end" };
  }
  const kept = takePieces(frames, fault.afterPieces);
  const shown = fault.kind === "error" ? [...kept, asked.toErrorFrame()] : kept;
  const ending = fault.kind === "error" ? "end" : fault.kind;
  return { status: 200, headers, writes: toWrites(shown, script.controls), ending };
}

/** The frames up to the last piece that is allowed. */
function takePieces(frames: readonly Frame[], piecesMax: number): readonly Frame[] {
  const kept: Frame[] = [];
  let pieces = 0;
  for (const frame of frames) {
    if (frame.piece) pieces += 1;
    if (pieces > piecesMax) break;
    kept.push(frame);
    if (pieces === piecesMax && frame.piece) break;
  }
  return kept;
}

function toWrites(frames: readonly Frame[], { firstTokenMs, paceMs }: Controls): readonly Write[] {
  const writes: { afterMs: number; parts: Uint8Array[] }[] = [];
  let pieces = 0;
  for (const frame of frames) {
    const afterMs = frame.piece ? (pieces === 0 ? firstTokenMs + paceMs : paceMs) : 0;
    if (frame.piece) pieces += 1;
    const bytes = typeof frame.bytes === "string" ? Buffer.from(frame.bytes) : frame.bytes;
    const last = writes.at(-1);
    if (afterMs === 0 && last !== undefined) last.parts.push(bytes);
    else writes.push({ afterMs, parts: [bytes] });
  }
  return writes.map(({ afterMs, parts }) => ({ afterMs, bytes: Buffer.concat(parts) }));
}

function toJsonPlan(body: string): Plan {
  return toWholePlan(200, { "content-type": "application/json" }, body, 0);
}

function toWholePlan(status: number, headers: Readonly<Record<string, string>>, body: string, afterMs: number): Plan {
  const bytes = Buffer.from(body);
  return {
    status,
    headers: { ...headers, "content-length": String(bytes.length) },
    writes: [{ afterMs, bytes }],
    ending: "end",
  };
}
