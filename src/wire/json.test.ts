import { expect, test } from "vitest";
import { asArray, asNumber, asObject, asString, JsonError, parseJson } from "./json.ts";

test("text that is no JSON throws an error which does not repeat it", () => {
  expect(() => parseJson("a secret prompt")).toThrow(JsonError);
  expect(() => parseJson("a secret prompt")).not.toThrow(/secret/);
});

test("whitespace around JSON is allowed, since some servers keep a connection alive with it", () => {
  expect(parseJson('\n  \n {"a":1} ')).toEqual({ a: 1 });
});

test("a value of another type is as good as none", () => {
  expect([asObject([]), asObject(null), asObject("x"), asObject(1)]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect([asArray({}), asString(1), asNumber("1")]).toEqual([undefined, undefined, undefined]);
  expect([asObject({ a: 1 }), asArray([1]), asString(""), asNumber(0)]).toEqual([{ a: 1 }, [1], "", 0]);
});
