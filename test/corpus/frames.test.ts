// The conformance vectors of AWS event streams: good frames give what they hold, bad ones break the framing.
import { describe, expect, it } from "vitest";
import { createAwsEventStreamDecoder } from "../../src/wire/aws-event-stream.ts";
import { byteByByte, decodeAll } from "../../src/wire/cuttings.ts";
import { FramingError } from "../../src/wire/wire-event.ts";
import { type CorpusCase, readBody, readCorpus } from "./corpus.ts";

const frames = readCorpus().filter((one) => one.protocol === "eventstream-frame");
const isValid = (one: CorpusCase): boolean => one.features.includes("valid_frame");
const limits = { eventBytesMax: 1 << 20 };

it("has vectors of both kinds", () => {
  expect(frames.filter(isValid).length).toBeGreaterThan(1);
  expect(frames.filter((one) => !isValid(one)).length).toBeGreaterThan(3);
});

describe.each(frames.map((one) => [one.id, one] as const))("%s", (_, one) => {
  const bytes = readBody(one);
  const ways = { whole: [bytes], "byte by byte": byteByByte(bytes) };

  it.each(Object.entries(ways))("read %s", (__, pieces) => {
    const read = () => decodeAll(createAwsEventStreamDecoder(limits), pieces);
    if (isValid(one)) expect(read()).toEqual([{ name: "", data: payloadOf(one), origin: "event" }]);
    else expect(read).toThrow(FramingError);
  });
});

function payloadOf(one: CorpusCase): string {
  return one.id.endsWith("empty-payload") ? "" : "some payload";
}
