import { describe, expect, it } from "vitest";
import { exampleOf } from "./example-of.ts";

describe("exampleOf", () => {
  it.each([
    [
      { type: "object", properties: { city: { type: "string" }, days: { type: "integer", minimum: 3 } } },
      { city: "example", days: 3 },
    ],
    [{ type: "array", items: { type: "boolean" }, minItems: 2 }, [true, true]],
    [{ enum: ["c", "f"] }, "c"],
    [{ const: 7 }, 7],
    [{ anyOf: [{ type: "number" }, { type: "null" }] }, 1],
    [{ type: ["null", "string"], format: "date" }, "2026-01-31"],
    [{ type: "STRING" }, "example"],
    [{ type: "null" }, {}],
    [{ $ref: "#/$defs/a", $defs: { a: { type: "string", maxLength: 2 } } }, "ex"],
    [{ $ref: "#/nowhere" }, {}],
    [{}, {}],
    ["no schema", {}],
  ])("of %j is %j", (schema, example) => {
    expect(exampleOf(schema)).toEqual(example);
  });

  it("follows a schema that refers to itself only so far", () => {
    const schema = {
      $ref: "#/$defs/node",
      $defs: { node: { type: "object", properties: { next: { $ref: "#/$defs/node" } } } },
    };
    expect(JSON.stringify(exampleOf(schema)).length).toBeLessThan(1_000);
  });

  it("differs from call to call where the schema lets it", () => {
    const schema = { type: "object", properties: { city: { type: "string" }, unit: { enum: ["c", "f"] } } };
    expect(exampleOf(schema, 1)).toEqual({ city: "example 2", unit: "f" });
  });
});
