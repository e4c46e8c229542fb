import fc from "fast-check";
import { expect, test } from "vitest";
import { byteByByte, cut, cuttings, decodeAll } from "./cuttings.ts";
import { createSseDecoder } from "./sse.ts";
import { FramingError, type WireEvent } from "./wire-event.ts";

const limits = { eventBytesMax: 4096 };
const encoder = new TextEncoder();

function decode(text: string, eventBytesMax = limits.eventBytesMax): readonly WireEvent[] {
  return decodeAll(createSseDecoder({ eventBytesMax }), [encoder.encode(text)]);
}

function event(data: string, name = ""): WireEvent {
  return { name, data, origin: "event" };
}

test.each([
  ["line feeds", "event: a\ndata: 1\n\ndata: 2\n\n"],
  ["CRLF", "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n"],
  ["carriage returns", "event: a\rdata: 1\r\rdata: 2\r\r"],
  ["all three mixed", "event: a\r\ndata: 1\n\r\ndata: 2\r\r"],
])("lines may end in %s", (_, text) => {
  const expected = [event("1", "a"), event("2")];
  expect(decode(text)).toEqual(expected);
  expect(decodeAll(createSseDecoder(limits), byteByByte(encoder.encode(text)))).toEqual(expected);
});

test.each(["\n", "\r\n", "\r"])("an event comes out as soon as its blank line is there, lines ending in %j", (end) => {
  expect(createSseDecoder(limits).push(encoder.encode(`data: 1${end}${end}`))).toEqual([event("1")]);
});

test("a comment is no event and resets nothing", () => {
  expect(decode(": OPENROUTER PROCESSING\n\nevent: a\n: keepalive\ndata: 1\n\n")).toEqual([event("1", "a")]);
});

test("several data lines are joined by a line feed", () => {
  expect(decode("data: a\ndata:\ndata:b\n\n")).toEqual([event("a\n\nb")]);
});

test("one space after the colon belongs to the field, further ones to the value", () => {
  expect(decode("data:  a \n\n")).toEqual([event(" a ")]);
});

test("a byte order mark before the first line is skipped, a later one is text", () => {
  expect(decode("\uFEFFdata: 1\n\n\uFEFFdata: 2\n\ndata: \uFEFF\n\n")).toEqual([event("1"), event("\uFEFF")]);
});

test("unknown fields, and fields that only begin like data, are skipped", () => {
  expect(decode("id: 7\nretry: 10\ndatabase: 3\neventually: 4\ndata: 1\n\n")).toEqual([event("1")]);
});

test("an event name without data is no event", () => {
  expect(decode("event: ping\n\ndata: 1\n\n")).toEqual([event("1")]);
});

test("blank lines before, between and after events mean nothing", () => {
  expect(decode("\n\n   \n\r\ndata: 1\n\n\n\n\ndata: 2\n\n\n")).toEqual([event("1"), event("2")]);
});

test("NUL bytes and broken UTF-8 are data, not the end of it", () => {
  const bytes = Buffer.concat([Buffer.from("data: a\0b"), Buffer.from([0xff, 0xe2, 0x82]), Buffer.from("\n\n")]);
  const expected = [event("a\0b\uFFFD\uFFFD")];
  expect(decodeAll(createSseDecoder(limits), [bytes])).toEqual(expected);
  expect(decodeAll(createSseDecoder(limits), byteByByte(bytes))).toEqual(expected);
});

test.each([["data: [DONE]"], ["data: [DONE]\n"], ['data: {"a":1}'], ['data: {"a":1}\n'], ['data: {\ndata: "a":1}']])(
  "a last event without its blank line counts when it is whole: %j",
  (text) => {
    expect(decode(text)).toHaveLength(1);
  },
);

test.each([['data: {"a":'], ['data: {"a":\n'], ["data: [DON"], ["event: message_stop"], ["data"], ['{"error":{']])(
  "half an event at the end is none: %j",
  (text) => {
    expect(decode(`data: 1\n\n${text}`)).toEqual([event("1")]);
  },
);

test("JSON without data: comes out as a bare event, in its place", () => {
  const pretty = '{\n  "error": {\n    "message": "a } and \\" and {",\n    "code": 400\n  }\n}';
  expect(decode(`data: 1\r\n\r\n${pretty}\ndata: 2\n\n`)).toEqual([
    event("1"),
    { name: "", data: pretty, origin: "bare" },
    event("2"),
  ]);
});

test("each object of a bare array is an event, as soon as it is whole", () => {
  const decoder = createSseDecoder(limits);
  expect(decoder.push(encoder.encode('[{"a":1}\n'))).toEqual([{ name: "", data: '{"a":1}', origin: "bare" }]);
  expect(decoder.push(encoder.encode(',\r\n{"a":[{"b":2}]}\n]\n'))).toEqual([
    { name: "", data: '{"a":[{"b":2}]}', origin: "bare" },
  ]);
  expect(decoder.finish()).toEqual([]);
});

test("a bare error keeps the event name that stood before it", () => {
  expect(decode('event: error\n{"message":"x"}\n\n')).toEqual([
    { name: "error", data: '{"message":"x"}', origin: "bare" },
  ]);
});

test("data that lacks its blank line before bare JSON is not lost", () => {
  expect(decode('data: 1\n{"error":1}\n')).toEqual([event("1"), { name: "", data: '{"error":1}', origin: "bare" }]);
});

test("an HTML page gives no event", () => {
  expect(decode("<html>\n<body>502 Bad Gateway</body>\n</html>\n")).toEqual([]);
});

test.each([
  ["one long line", `data: ${"x".repeat(100)}\n\n`],
  ["a line that does not end", `data: ${"x".repeat(100)}`],
  ["many short lines", "data: xxxxxxxx\n".repeat(20)],
  ["bare JSON over many lines", `{\n${'"a":1,\n'.repeat(20)}`],
  ["text of few characters and many bytes", `data: ${"€".repeat(40)}\n\n`],
])("more bytes than an event may have break the framing: %s", (_, text) => {
  expect(() => decode(text, 100)).toThrow(FramingError);
  expect(() => decodeAll(createSseDecoder({ eventBytesMax: 100 }), byteByByte(encoder.encode(text)))).toThrow(
    FramingError,
  );
});

test("the limit is on one event, not on the stream", () => {
  expect(decode(`data: ${"x".repeat(94)}\n\n`.repeat(50), 100)).toHaveLength(50);
});

const line = fc.oneof(
  fc.constantFrom(
    "",
    "data",
    "data:",
    "data: ",
    "event: e",
    "event",
    "id: 1",
    ": comment",
    "dataset: 1",
    "[DONE]",
    "[",
    "]",
    ",",
  ),
  fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => `data: ${text}`),
  fc.json({ maxDepth: 2 }).map((json) => `data: ${json}`),
  fc.json({ maxDepth: 2 }),
  fc.string({ unit: "binary", maxLength: 12 }),
);
const stream = fc
  .array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r", "\n\n", "\r\n\r\n")), { maxLength: 12 })
  .map((lines) => lines.map(([text, end]) => text + end).join(""));

test("any cutting of the bytes gives the same events", () => {
  fc.assert(
    fc.property(
      stream.map((text) => encoder.encode(text)).chain((bytes) => fc.tuple(fc.constant(bytes), cuttings(bytes))),
      ([bytes, pieces]) => {
        const whole = decodeAll(createSseDecoder(limits), [bytes]);
        expect(decodeAll(createSseDecoder(limits), pieces)).toEqual(whole);
        expect(decodeAll(createSseDecoder(limits), byteByByte(bytes))).toEqual(whole);
      },
    ),
    { numRuns: 500 },
  );
});

test("without bare JSON the events are those of the standard's own algorithm", () => {
  const standardLine = line.filter((text) => !/(^|[\r\n])[[{]/.test(text));
  const standardStream = fc
    .array(fc.tuple(standardLine, fc.constantFrom("\n", "\r\n", "\r", "\n\n")), { maxLength: 12 })
    .map((lines) => `${lines.map(([text, end]) => text + end).join("")}\n\n`);
  fc.assert(
    fc.property(standardStream, fc.array(fc.nat({ max: 200 }), { maxLength: 5 }), (text, places) => {
      const bytes = encoder.encode(text);
      const pieces = cut(
        bytes,
        places.filter((place) => place <= bytes.length),
      );
      expect(decodeAll(createSseDecoder(limits), pieces)).toEqual(
        readAsTheStandardSays(new TextDecoder().decode(bytes)),
      );
    }),
    { numRuns: 500 },
  );
});

/** "Interpreting an event stream", step by step, on the whole text. */
function readAsTheStandardSays(text: string): readonly WireEvent[] {
  const events: WireEvent[] = [];
  let name = "";
  let data: string | undefined;
  for (const row of text.split(/\r\n|\n|\r/)) {
    if (row === "") {
      if (data !== undefined) events.push({ name, data, origin: "event" });
      name = "";
      data = undefined;
    }
    const [, field, value = ""] = /^([^:]*):? ?(.*)$/su.exec(row) ?? [];
    if (field === "event") name = value;
    if (field === "data") data = data === undefined ? value : `${data}\n${value}`;
  }
  return events;
}
