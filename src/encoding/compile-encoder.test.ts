import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  type Message,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as contract from "../contract.ts";
import { compileEncoder } from "./compile-encoder.ts";

const schemas: readonly DescMessage[] = [
  contract.UsageEventSchema,
  contract.CompleteResponseSchema,
  contract.StreamCompleteResponseSchema,
  contract.CompleteRequestSchema,
  contract.EmbedResponseSchema,
  contract.TranscribeResponseSchema,
];

describe("a compiled encoder", () => {
  for (const schema of schemas) {
    const encode = compileEncoder(schema);
    it(`writes what protobuf-es writes (${schema.name})`, () => {
      fc.assert(
        fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })), (numbers) => {
          const message = create(schema, randomFields(schema, () => numbers.next().value ?? 0, 0) as never) as Message;
          expect(Buffer.from(encode(message)).toString("hex")).toBe(
            Buffer.from(toBinary(schema, message)).toString("hex"),
          );
        }),
        { numRuns: 300 },
      );
    });
  }

  it("keeps fields that it does not know", () => {
    const bytes = Buffer.concat([
      toBinary(contract.TextPartSchema, create(contract.TextPartSchema, { text: "x" })),
      Buffer.from([0xf8, 0x3f, 5]),
    ]);
    const message = fromBinary(contract.TextPartSchema, bytes);
    expect(Buffer.from(compileEncoder(contract.TextPartSchema)(message))).toEqual(bytes);
  });

  it("goes on after a message that it cannot write", () => {
    const encode = compileEncoder(contract.TextPartSchema);
    const bad = create(contract.TextPartSchema, { text: "before" });
    Object.assign(bad, {
      citations: [
        {
          get uri() {
            throw new Error("no");
          },
        },
      ],
    });
    expect(() => encode(bad)).toThrow("no");
    const good = create(contract.TextPartSchema, { text: "after" });
    expect(encode(good)).toEqual(Buffer.from(toBinary(contract.TextPartSchema, good)));
  });

  it("writes lone surrogates as protobuf-es does", () => {
    const message = create(contract.TextPartSchema, { text: `a\ud800b${"ä".repeat(100)}\udc00` });
    expect(compileEncoder(contract.TextPartSchema)(message)).toEqual(
      Buffer.from(toBinary(contract.TextPartSchema, message)),
    );
  });
});

type Random = () => number;

const texts = ["", "a", "gpt-4.1-mini", "ä", "𝄞 music", "x".repeat(47), "y".repeat(200), "日本語".repeat(30)];
const integers = [0, 1, -1, 127, 128, 300, 2_147_483_647, -2_147_483_648];
const doubles = [0, -0, 0.7, 1e300, -2.5];

function pick<Value>(values: readonly Value[], random: Random): Value {
  return values[Math.floor(random() * values.length)] as Value;
}

function randomFields(schema: DescMessage, random: Random, depth: number): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const member of schema.members) {
    if (random() < 0.4) continue;
    if (member.kind === "oneof") {
      const field = pick(member.fields, random);
      fields[member.localName] = { case: field.localName, value: randomValue(field, random, depth) };
    } else if (member.fieldKind === "list") {
      fields[member.localName] = Array.from({ length: Math.floor(random() * 3) }, () =>
        randomValue(member, random, depth),
      );
    } else if (member.fieldKind === "map") {
      const keys = member.mapKey === ScalarType.STRING ? ["k", "a.b"] : [1, -7];
      fields[member.localName] = Object.fromEntries(keys.map((key) => [key, randomValue(member, random, depth)]));
    } else fields[member.localName] = randomValue(member, random, depth);
  }
  return fields;
}

function randomValue(field: DescField, random: Random, depth: number): unknown {
  if (field.message !== undefined) {
    if (field.message.typeName === "google.protobuf.Struct") return { a: [1, null, "x"], b: { c: true } };
    if (field.message.typeName === "google.protobuf.Value") {
      return create(field.message, { kind: { case: "stringValue", value: pick(texts, random) } } as never);
    }
    return create(field.message, depth > 3 ? {} : (randomFields(field.message, random, depth + 1) as never));
  }
  if (field.enum !== undefined) return pick([0, 1, 2, 99], random);
  return randomScalar(field.scalar, random);
}

function randomScalar(type: ScalarType | undefined, random: Random): unknown {
  switch (type) {
    case ScalarType.STRING:
      return pick(texts, random);
    case ScalarType.BOOL:
      return random() < 0.5;
    case ScalarType.BYTES:
      return new Uint8Array(Math.floor(random() * 200)).fill(7);
    case ScalarType.INT64:
      return pick([0n, 1n, -1n, 9_007_199_254_740_993n, -(2n ** 63n), 2n ** 63n - 1n], random);
    case ScalarType.DOUBLE:
      return pick(doubles, random);
    case ScalarType.FLOAT:
      return pick([0, 0.5, -1.25], random);
    default:
      return pick(integers, random);
  }
}
