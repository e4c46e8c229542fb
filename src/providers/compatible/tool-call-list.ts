import { create } from "@bufbuild/protobuf";
import { OpaqueStateSchema, type Part, PartSchema } from "../../contract.ts";
import { asNumber, asObject, asString } from "../../wire/json.ts";
import type { PartTracker } from "../part-tracker.ts";
import type { WireToolCall } from "./wire.ts";

/** The tool calls of one answer, put together from whole calls or from deltas in any of the forms that servers send. */
export interface ToolCallList {
  /** One entry of `tool_calls`. */
  read(raw: WireToolCall): void;
  /** Number of calls so far. */
  readonly count: number;
  /** A call came without a name: it cannot be executed. Known after `finish`. */
  readonly hasMalformed: boolean;
  /** `isCutOff`: generation hit its limit, so an empty argument is no complete one. */
  finish(isCutOff: boolean): void;
}

type Call = {
  readonly key: number | undefined;
  id: string;
  name: string;
  isFreeForm: boolean;
  /** Index of the part; `undefined` until the name is known, since a part begins with it. */
  part: number | undefined;
  /** Arguments that came before the part began. */
  early: string;
  isEmpty: boolean;
  state: string;
};

export function createToolCallList(tracker: PartTracker, providerName: string, callIdSeed: string): ToolCallList {
  return new CallList(tracker, providerName, callIdSeed);
}

class CallList implements ToolCallList {
  readonly #tracker: PartTracker;
  readonly #providerName: string;
  readonly #callIdSeed: string;
  readonly #calls: Call[] = [];
  #hasMalformed = false;

  constructor(tracker: PartTracker, providerName: string, callIdSeed: string) {
    this.#tracker = tracker;
    this.#providerName = providerName;
    this.#callIdSeed = callIdSeed;
  }

  read(raw: WireToolCall): void {
    const body = asObject(raw.function) ?? asObject(raw.custom) ?? {};
    const id = asString(raw.id) ?? "";
    const name = asString(body["name"]) ?? "";
    const call = this.#obtain(raw, id, name);
    // Later deltas repeat ids and names, or null them (Venice, vLLM, TGI), or send "" (watsonx, Alibaba): the first counts.
    call.id ||= id;
    call.name ||= name;
    call.isFreeForm ||= asObject(raw.custom) !== undefined;
    call.state ||= raw.extra_content === undefined ? "" : JSON.stringify(raw.extra_content);
    this.#append(call, toArguments(body["arguments"] ?? body["input"]));
    if (call.part === undefined && call.name !== "") this.#begin(call, this.#calls.indexOf(call));
  }

  get count(): number {
    return this.#calls.length;
  }

  get hasMalformed(): boolean {
    return this.#hasMalformed;
  }

  finish(isCutOff: boolean): void {
    for (const [position, call] of this.#calls.entries()) {
      if (call.part === undefined) {
        this.#hasMalformed = true;
        this.#begin(call, position);
      }
      // A call without parameters comes with "" or nothing; callers parse JSON. A cut one must stay unparsable.
      if (call.isEmpty && !call.isFreeForm && !isCutOff) this.#append(call, "{}");
    }
  }

  #find(raw: WireToolCall, id: string, name: string): Call | undefined {
    const key = asNumber(raw.index);
    const last = this.#calls.at(-1);
    const found =
      key !== undefined
        ? this.#calls.findLast((call) => call.key === key)
        : (this.#calls.find((call) => id !== "" && call.id === id) ?? (id === "" && name === "" ? last : undefined));
    // Gemini's compatible endpoint gives every parallel call the index 0: another id together with a name is another call.
    return found !== undefined && id !== "" && name !== "" && found.id !== "" && found.id !== id ? undefined : found;
  }

  #begin(call: Call, position: number): void {
    call.part = this.#tracker.start(toPart(call, `${this.#callIdSeed}${position}`, this.#providerName));
    this.#tracker.arguments(call.part, call.early);
  }

  #append(call: Call, piece: string): void {
    if (piece === "") return;
    call.isEmpty = false;
    if (call.part === undefined) call.early += piece;
    else this.#tracker.arguments(call.part, piece);
  }

  #obtain(raw: WireToolCall, id: string, name: string): Call {
    const known = this.#find(raw, id, name);
    if (known !== undefined) return known;
    const key = asNumber(raw.index);
    const call: Call = { key, id, name, isFreeForm: false, part: undefined, early: "", isEmpty: true, state: "" };
    this.#calls.push(call);
    return call;
  }
}

function toPart(call: Call, madeId: string, provider: string): Part {
  const { name, isFreeForm: freeForm } = call;
  const part = create(PartSchema, {
    content: { case: "toolCall", value: { callId: call.id === "" ? madeId : call.id, name, freeForm } },
  });
  if (call.state !== "") {
    part.state = create(OpaqueStateSchema, { provider, data: new TextEncoder().encode(call.state) });
  }
  return part;
}

/** Text in OpenAI's API; some servers send the object itself. */
function toArguments(value: unknown): string {
  if (typeof value === "string") return value;
  return asObject(value) === undefined ? "" : JSON.stringify(value);
}
