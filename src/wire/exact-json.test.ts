import fc from "fast-check";
import { expect, it } from "vitest";
import { parseExactJson } from "./exact-json.ts";
import { asNumber, asObject, JsonError } from "./json.ts";

it.each([
  '{"id":9007199254740993,"ids":[-123456789012345678901234567890],"n":1}',
  '{"text":"in a string: 1234567890123456789","t":1}',
  "9007199254740993",
  '[0.30000000000000004,1e-7,"x"]',
])("writes %s as it was read", (text) => {
  expect(JSON.stringify(parseExactJson(text))).toBe(text);
});

it("gives what parsing gives where every number is exact", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(JSON.stringify(parseExactJson(text))).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
});

it("gives no number for an integer that none holds", () => {
  expect(asNumber(asObject(parseExactJson('{"count":123456789012345678901}'))?.["count"])).toBeUndefined();
});

it.each(['{"a":1234567890123456789', `[12345678901234567${"[".repeat(200_000)}`, '{"a":12345678901234567} x'])(
  "says so without repeating the text when it is no JSON",
  (text) => {
    expect(() => parseExactJson(text)).toThrow(JsonError);
    expect(() => parseExactJson(text)).not.toThrow(/12345/);
  },
);
