// Encoders for the messages of the hot path, compiled once from their descriptors: the bytes of protobuf-es's `toBinary`
// in a fraction of the time (`bench/hot.ts`). A descriptor becomes the source of one function for each message, with the
// names of its fields written out: so V8 sees objects of one shape at each place, and there is no writer, no chunk list and
// no copy for nested messages. `toBinary` is the reference that the test compares with.
import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type MessageShape,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { Slab } from "./slab.ts";

/** Messages larger than this leave the shared buffer grown; it is then made anew. */
const keptBytesMax = 1 << 20;

/** Gives an encoder: message → its binary form, as a copy that is the caller's. Throws for a type it cannot encode. */
export function compileEncoder<Desc extends DescMessage>(schema: Desc): (message: MessageShape<Desc>) => Uint8Array {
  const write = compile(schema);
  let slab = new Slab();
  return (message) => {
    try {
      write(message, slab);
    } catch (error) {
      slab.reset();
      throw error;
    }
    const bytes = slab.take();
    if (bytes.length > keptBytesMax) slab = new Slab();
    return bytes;
  };
}

function compile(schema: DescMessage): (message: object, slab: Slab) => void {
  const source = new EncoderSource();
  const entry = source.functionOf(schema);
  const text = `"use strict";\n${source.text}\nreturn ${entry};`;
  // The text holds nothing but names and numbers of our own contract.
  return new Function("writeUnknown", "writeStruct", text)(writeUnknown, writeStruct);
}

type UnknownField = { readonly no: number; readonly wireType: number; readonly data: Uint8Array };

function writeUnknown(fields: readonly UnknownField[], slab: Slab): void {
  for (const { no, wireType, data } of fields) {
    slab.varint(no * 8 + wireType);
    slab.raw(data);
  }
}

/** protobuf-es holds a Struct as plain JSON. Rare on the hot path, so its own encoder does it. */
function writeStruct(json: JsonValue, slab: Slab): void {
  slab.bytes(toBinary(StructSchema, fromJson(StructSchema, json)));
}

/** google.protobuf.FeatureSet.FieldPresence.IMPLICIT: the default is not written. */
const implicitPresence = 2;

/** One function for each message that is reached: `m` is the message, `s` the slab, `v` a value. */
class EncoderSource {
  readonly #functions: string[] = [];
  readonly #names = new Map<string, string>();

  get text(): string {
    return this.#functions.join("\n");
  }

  /** Its name. Known before its fields are written, since a message may contain itself. */
  functionOf(schema: DescMessage): string {
    const known = this.#names.get(schema.typeName);
    if (known !== undefined) return known;
    if (schema.file.name.startsWith("google/protobuf/") && schema.file.name.includes("wrappers")) {
      throw new Error(`no encoder for ${schema.typeName}`);
    }
    const name = `w${this.#names.size}`;
    this.#names.set(schema.typeName, name);
    const members = schema.members.map((member) =>
      member.kind === "oneof" ? this.#oneof(member.localName, member.fields) : this.#member(member),
    );
    this.#functions.push(
      `function ${name}(m, s) {\nlet v;\n${members.join("\n")}\nif (m.$unknown !== undefined) writeUnknown(m.$unknown, s);\n}`,
    );
    return name;
  }

  #oneof(localName: string, fields: readonly DescField[]): string {
    const cases = fields.map((field) => `case ${quoted(field.localName)}: ${this.#value(field, "v.value")} break;`);
    return `v = ${property(localName)};\nswitch (v.case) {\n${cases.join("\n")}\n}`;
  }

  #member(field: DescField): string {
    if (field.fieldKind === "list") return this.#list(field);
    if (field.fieldKind === "map") return this.#map(field);
    const isWritten = field.fieldKind !== "message" && field.presence === implicitPresence ? notDefault(field) : "";
    return `v = ${property(field.localName)};\nif (v !== undefined${isWritten}) { ${this.#value(field, "v")} }`;
  }

  /** Tag and value of a singular field, or of one element of a list. */
  #value(field: DescField, expression: string, number = field.number): string {
    if (field.message !== undefined) return this.#messageValue(number, field.message, expression);
    const { wireType, write } = scalarOf(field);
    return `s.tag(${number * 8 + wireType}); s.${write}(${expression});`;
  }

  #messageValue(number: number, schema: DescMessage, expression: string): string {
    const tag = `s.tag(${number * 8 + 2});`;
    if (schema.typeName === StructSchema.typeName) return `${tag} writeStruct(${expression}, s);`;
    return `${tag} { const b = s.beginLength(); ${this.functionOf(schema)}(${expression}, s); s.endLength(b); }`;
  }

  #list(field: DescField & { fieldKind: "list" }): string {
    const values = property(field.localName);
    if (!field.packed) {
      return `v = ${values};\nfor (let i = 0; i < v.length; i++) { const e = v[i]; ${this.#value(field, "e")} }`;
    }
    const { write } = scalarOf(field);
    const each = `for (let i = 0; i < v.length; i++) s.${write}(v[i]);`;
    return `v = ${values};\nif (v.length > 0) { s.tag(${field.number * 8 + 2}); const b = s.beginLength(); ${each} s.endLength(b); }`;
  }

  #map(field: DescField & { fieldKind: "map" }): string {
    const key = scalar(field.mapKey);
    const value = this.#value(field, "v[k]", 2);
    const entry = `s.tag(${8 + key.wireType}); s.${key.write}(${keyOf(field.mapKey)}); ${value}`;
    return (
      `v = ${property(field.localName)};\n` +
      `for (const k in v) { s.tag(${field.number * 8 + 2}); const l = s.beginLength(); ${entry} s.endLength(l); }`
    );
  }
}

function property(localName: string): string {
  return `m[${quoted(localName)}]`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

/** The rest of a condition: negative zero is no default. */
function notDefault(field: DescField): string {
  switch (field.fieldKind === "enum" ? ScalarType.INT32 : field.scalar) {
    case ScalarType.STRING:
      return ' && v !== ""';
    case ScalarType.BOOL:
      return " && v !== false";
    case ScalarType.BYTES:
      return " && v.length > 0";
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return " && v !== 0n";
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return " && (v !== 0 || Object.is(v, -0))";
    default:
      return " && v !== 0";
  }
}

/** Keys of a protobuf-es map are texts, whatever their type. */
function keyOf(type: ScalarType): string {
  switch (type) {
    case ScalarType.STRING:
      return "k";
    case ScalarType.BOOL:
      return 'k === "true"';
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return "BigInt(k)";
    default:
      return "Number(k)";
  }
}

/** `write`: a method of `Slab`. */
type ScalarWriter = { readonly wireType: number; readonly write: keyof Slab };

const scalars: Readonly<Partial<Record<ScalarType, ScalarWriter>>> = {
  [ScalarType.DOUBLE]: { wireType: 1, write: "double" },
  [ScalarType.FLOAT]: { wireType: 5, write: "float" },
  [ScalarType.INT64]: { wireType: 0, write: "int64" },
  [ScalarType.UINT64]: { wireType: 0, write: "int64" },
  [ScalarType.INT32]: { wireType: 0, write: "int32" },
  [ScalarType.UINT32]: { wireType: 0, write: "varint" },
  [ScalarType.BOOL]: { wireType: 0, write: "bool" },
  [ScalarType.STRING]: { wireType: 2, write: "string" },
  [ScalarType.BYTES]: { wireType: 2, write: "bytes" },
};

function scalarOf(field: DescField): ScalarWriter {
  return scalar(field.enum === undefined ? field.scalar : ScalarType.INT32);
}

function scalar(type: ScalarType | undefined): ScalarWriter {
  const found = type === undefined ? undefined : scalars[type];
  if (found === undefined) throw new Error(`no encoder for scalar type ${type}`);
  return found;
}
