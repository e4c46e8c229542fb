// Encoders for the messages of the hot path, compiled once from their descriptors: the bytes of protobuf-es's `toBinary`
// in about a third of the time (`bench/hot.ts`), since they write into one buffer that is kept and make no writer, no
// chunk list and no copy for each nested message. `toBinary` is the reference that the test compares with.
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

/** Messages are read by the local names of their fields, which a type cannot say of a descriptor known only at run time. */
type Fields = Readonly<Record<string, unknown>>;
type WriteMessage = (message: Fields, slab: Slab) => void;
type WriteValue = (value: never, slab: Slab) => void;

/** Messages larger than this leave the shared buffer grown; it is then made anew. */
const keptBytesMax = 1 << 20;

/** Gives an encoder: message → its binary form, as a copy that is the caller's. Throws for a type it cannot encode. */
export function compileEncoder<Desc extends DescMessage>(schema: Desc): (message: MessageShape<Desc>) => Uint8Array {
  const write = messageWriter(schema, new Map());
  let slab = new Slab();
  return (message) => {
    try {
      write(message as unknown as Fields, slab);
    } catch (error) {
      slab.reset();
      throw error;
    }
    const bytes = slab.take();
    if (bytes.length > keptBytesMax) slab = new Slab();
    return bytes;
  };
}

function messageWriter(schema: DescMessage, known: Map<string, WriteMessage>): WriteMessage {
  const found = known.get(schema.typeName);
  if (found !== undefined) return found;
  const writers: WriteMessage[] = [];
  // Entered before its fields are compiled, since a message may contain itself.
  const write: WriteMessage = (message, slab) => {
    for (let index = 0; index < writers.length; index++) writers[index]?.(message, slab);
    const unknown = message["$unknown"] as readonly UnknownField[] | undefined;
    if (unknown !== undefined) writeUnknown(unknown, slab);
  };
  known.set(schema.typeName, write);
  for (const member of schema.members) {
    if (member.kind === "oneof") writers.push(oneofWriter(member.localName, member.fields, known));
    else writers.push(fieldWriter(member, known));
  }
  return write;
}

type UnknownField = { readonly no: number; readonly wireType: number; readonly data: Uint8Array };

function writeUnknown(fields: readonly UnknownField[], slab: Slab): void {
  for (const { no, wireType, data } of fields) {
    slab.varint(no * 8 + wireType);
    slab.raw(data);
  }
}

function oneofWriter(name: string, fields: readonly DescField[], known: Map<string, WriteMessage>): WriteMessage {
  const byCase = new Map<string, (value: unknown, slab: Slab) => void>();
  for (const field of fields) {
    const write = valueWriter(field, known) as (value: unknown, slab: Slab) => void;
    byCase.set(field.localName, write);
  }
  return (message, slab) => {
    const chosen = message[name] as { readonly case: string | undefined; readonly value?: unknown };
    if (chosen.case !== undefined) byCase.get(chosen.case)?.(chosen.value, slab);
  };
}

function fieldWriter(field: DescField, known: Map<string, WriteMessage>): WriteMessage {
  const name = field.localName;
  if (field.fieldKind === "list") return listWriter(field, known);
  if (field.fieldKind === "map") return mapWriter(field, known);
  const write = valueWriter(field, known) as (value: unknown, slab: Slab) => void;
  if (field.fieldKind === "message" || field.presence !== implicitPresence) {
    return (message, slab) => {
      const value = message[name];
      if (value !== undefined) write(value, slab);
    };
  }
  return (message, slab) => {
    const value = message[name];
    if (value !== undefined && !isZero(value)) write(value, slab);
  };
}

/** google.protobuf.FeatureSet.FieldPresence.IMPLICIT: the default is not written. */
const implicitPresence = 2;

function isZero(value: unknown): boolean {
  if (value === 0) return !Object.is(value, -0);
  return value === "" || value === false || value === 0n || (value instanceof Uint8Array && value.length === 0);
}

/** Tag and value of a singular field, or of one element of a list. */
function valueWriter(field: DescField, known: Map<string, WriteMessage>): WriteValue {
  if (field.message !== undefined) return messageValueWriter(field.number, field.message, known);
  const { wireType, write } = field.enum === undefined ? scalar(field.scalar) : scalars.enum;
  const tag = field.number * 8 + wireType;
  return (value, slab) => {
    slab.varint(tag);
    write(value, slab);
  };
}

function messageValueWriter(number: number, schema: DescMessage, known: Map<string, WriteMessage>): WriteValue {
  const tag = number * 8 + 2;
  if (schema.typeName === StructSchema.typeName) {
    // protobuf-es holds a Struct as plain JSON. Rare on the hot path, so its own encoder does it.
    return (json: JsonValue, slab: Slab) => {
      slab.varint(tag);
      slab.bytes(toBinary(StructSchema, fromJson(StructSchema, json)));
    };
  }
  if (schema.file.name.startsWith("google/protobuf/") && schema.file.name.includes("wrappers")) {
    throw new Error(`no encoder for ${schema.typeName}`);
  }
  const write = messageWriter(schema, known);
  return (message: Fields, slab: Slab) => {
    slab.varint(tag);
    const begin = slab.beginLength();
    write(message, slab);
    slab.endLength(begin);
  };
}

function listWriter(field: DescField & { fieldKind: "list" }, known: Map<string, WriteMessage>): WriteMessage {
  const name = field.localName;
  if (!field.packed) {
    const write = valueWriter(field, known) as (value: unknown, slab: Slab) => void;
    return (message, slab) => {
      const values = message[name] as readonly unknown[];
      for (let index = 0; index < values.length; index++) write(values[index], slab);
    };
  }
  const { write } = field.enum === undefined ? scalar(field.scalar) : scalars.enum;
  const tag = field.number * 8 + 2;
  return (message, slab) => {
    const values = message[name] as readonly never[];
    if (values.length === 0) return;
    slab.varint(tag);
    const begin = slab.beginLength();
    for (const value of values) write(value, slab);
    slab.endLength(begin);
  };
}

function mapWriter(field: DescField & { fieldKind: "map" }, known: Map<string, WriteMessage>): WriteMessage {
  const name = field.localName;
  const tag = field.number * 8 + 2;
  const key = scalar(field.mapKey);
  const isTextKey = field.mapKey === ScalarType.STRING;
  const writeValue = mapValueWriter(field, known) as (value: unknown, slab: Slab) => void;
  return (message, slab) => {
    const entries = message[name] as Fields;
    for (const text in entries) {
      slab.varint(tag);
      const begin = slab.beginLength();
      slab.varint(8 + key.wireType);
      key.write((isTextKey ? text : keyOf(text, field.mapKey)) as never, slab);
      writeValue(entries[text], slab);
      slab.endLength(begin);
    }
  };
}

function keyOf(text: string, type: ScalarType): number | bigint | boolean {
  if (type === ScalarType.BOOL) return text === "true";
  return type === ScalarType.INT64 || type === ScalarType.UINT64 ? BigInt(text) : Number(text);
}

function mapValueWriter(field: DescField & { fieldKind: "map" }, known: Map<string, WriteMessage>): WriteValue {
  const valueNumber = 2;
  if (field.message !== undefined) return messageValueWriter(valueNumber, field.message, known);
  const { wireType, write } = field.enum === undefined ? scalar(field.scalar) : scalars.enum;
  return (value, slab) => {
    slab.varint(valueNumber * 8 + wireType);
    write(value, slab);
  };
}

type ScalarWriter = { readonly wireType: number; readonly write: WriteValue };

const scalars = {
  enum: { wireType: 0, write: (value: number, slab: Slab) => slab.int32(value) },
} as const;

const scalarTable: Readonly<Partial<Record<ScalarType, ScalarWriter>>> = {
  [ScalarType.DOUBLE]: { wireType: 1, write: (value: number, slab: Slab) => slab.double(value) },
  [ScalarType.FLOAT]: { wireType: 5, write: (value: number, slab: Slab) => slab.float(value) },
  [ScalarType.INT64]: { wireType: 0, write: (value: bigint, slab: Slab) => slab.int64(value) },
  [ScalarType.UINT64]: { wireType: 0, write: (value: bigint, slab: Slab) => slab.int64(value) },
  [ScalarType.INT32]: { wireType: 0, write: (value: number, slab: Slab) => slab.int32(value) },
  [ScalarType.UINT32]: { wireType: 0, write: (value: number, slab: Slab) => slab.varint(value) },
  [ScalarType.BOOL]: { wireType: 0, write: (value: boolean, slab: Slab) => slab.byte(value ? 1 : 0) },
  [ScalarType.STRING]: { wireType: 2, write: (value: string, slab: Slab) => slab.string(value) },
  [ScalarType.BYTES]: { wireType: 2, write: (value: Uint8Array, slab: Slab) => slab.bytes(value) },
};

function scalar(type: ScalarType | undefined): ScalarWriter {
  const found = type === undefined ? undefined : scalarTable[type];
  if (found === undefined) throw new Error(`no encoder for scalar type ${type}`);
  return found;
}
