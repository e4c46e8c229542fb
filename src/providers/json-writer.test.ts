import fc from "fast-check";
import { expect, it } from "vitest";
import { RawJson, writeJson } from "./json-writer.ts";

it("writes what JSON.stringify writes", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(writeJson(JSON.parse(JSON.stringify(value)))).toBe(JSON.stringify(value));
    }),
  );
});

it("keeps the order and the numbers of JSON text", () => {
  const schema = new RawJson('{"b":1,"2":9007199254740993,"a":null}');
  expect(writeJson({ schema, absent: undefined })).toBe('{"schema":{"b":1,"2":9007199254740993,"a":null}}');
});
