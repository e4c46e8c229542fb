// The rules that the contract states as `buf.validate` options, compiled once for each message type into plain closures.
// protovalidate is the reference and the property test compares with it; it costs 0.1–0.4 ms on a chat request, which is
// more than everything else the server does with one.
import {
  type DescField,
  type DescMessage,
  type DescOneof,
  getOption,
  isFieldSet,
  ScalarType,
} from "@bufbuild/protobuf";
import type { FieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import {
  FieldRulesSchema,
  field as fieldOption,
  Ignore,
  MapRulesSchema,
  MessageRulesSchema,
  message as messageOption,
  OneofRulesSchema,
  oneof as oneofOption,
  RepeatedRulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { FieldViolation } from "../domain/call-failure.ts";
import { messageRules } from "./message-rules.ts";
import { Trail } from "./trail.ts";
import {
  refuseUnknownRules,
  toDoubleCheck,
  toDurationCheck,
  toEnumCheck,
  toInt32Check,
  toInt64Check,
  toStringCheck,
  type ValueCheck,
} from "./value-rules.ts";

type FieldsByName = Readonly<Record<string, unknown>>;
/** Checks one message that the trail already points at. */
type MessageCheck = (message: FieldsByName, trail: Trail) => void;
/** `undefined`: there is nothing to check below. */
type Compiled<Check> = Check | undefined;

/** Recursive types (a tool result has parts) find themselves here while they are compiled. */
const checkByType = new Map<DescMessage, { check: Compiled<MessageCheck> }>();

/**
 * The violations of a message, in the order of its fields; none: it is valid. Compiled at the first call for a type.
 * Throws when the type, or one below it, has a rule that is not implemented.
 */
export function compileRules(schema: DescMessage): (message: object) => readonly FieldViolation[] {
  const check = compileMessage(schema);
  if (check === undefined) {
    return () => none;
  }
  return (message) => {
    if (!isFields(message)) {
      return none;
    }
    const trail = new Trail();
    check(message, trail);
    return trail.violations;
  };
}

const none: readonly FieldViolation[] = [];

function compileMessage(schema: DescMessage): Compiled<MessageCheck> {
  // Struct and its kin are JSON values in memory, durations and timestamps are leaves: no rules of their own.
  if (schema.file.proto.package === "google.protobuf") {
    return undefined;
  }
  const known = checkByType.get(schema);
  if (known !== undefined) {
    return known.check;
  }
  const slot: { check: Compiled<MessageCheck> } = {
    check: (message, trail) => compiled?.(message, trail),
  };
  checkByType.set(schema, slot);
  const compiled = joinChecks([
    ...schema.members.map((member) => (member.kind === "oneof" ? compileOneof(member) : compileField(member))),
    ...compileMessageRules(schema),
  ]);
  slot.check = compiled;
  return compiled;
}

function joinChecks(checks: readonly Compiled<MessageCheck>[]): Compiled<MessageCheck> {
  const present = checks.filter((check) => check !== undefined);
  if (present.length <= 1) {
    return present[0];
  }
  return (message, trail) => {
    for (const check of present) {
      check(message, trail);
    }
  };
}

function compileMessageRules(schema: DescMessage): readonly MessageCheck[] {
  const rules = getOption(schema, messageOption);
  refuseUnknownRules(MessageRulesSchema, rules, ["cel"]);
  return rules.cel.map(({ id, message: description }) => {
    const rule = messageRules.get(id);
    if (rule === undefined) {
      throw new Error(`validation rule not implemented: CEL rule ${id} of ${schema.typeName}`);
    }
    return (message, trail) => {
      if (!rule.isKept(message)) {
        trail.reportAt(rule.field, description);
      }
    };
  });
}

function compileOneof(oneof: DescOneof): Compiled<MessageCheck> {
  const rules = getOption(oneof, oneofOption);
  refuseUnknownRules(OneofRulesSchema, rules, ["required"]);
  const checks = new Map(
    oneof.fields.flatMap((field) => {
      const check = compileSetValue(field);
      return check === undefined ? [] : [[field.localName, { name: field.name, check }] as const];
    }),
  );
  if (checks.size === 0 && !rules.required) {
    return undefined;
  }
  return (message, trail) => {
    const chosen = message[oneof.localName];
    if (!isFields(chosen) || typeof chosen["case"] !== "string") {
      if (rules.required) {
        trail.reportAt(oneof.name, `one of ${oneof.fields.map((field) => field.name).join(", ")} is needed`);
      }
      return;
    }
    const member = checks.get(chosen["case"]);
    if (member !== undefined) {
      trail.enter(member.name);
      member.check(chosen["value"], trail);
      trail.leave();
    }
  };
}

function compileField(field: DescField): Compiled<MessageCheck> {
  const rules = getOption(field, fieldOption);
  const check = compileSetValue(field);
  if (rules.ignore === Ignore.ALWAYS || (check === undefined && !rules.required)) {
    return undefined;
  }
  const { localName, name } = field;
  const isSet = toIsSet(field);
  // A field without presence is checked at its zero value too, unless the contract says otherwise.
  const skipsUnset = rules.ignore === Ignore.IF_ZERO_VALUE || field.presence !== implicitPresence;
  return (message, trail) => {
    const value = message[localName];
    if ((rules.required || skipsUnset) && !isSet(value)) {
      if (rules.required) {
        trail.reportAt(name, "is needed");
      }
      return;
    }
    if (check !== undefined) {
      trail.enter(name);
      check(value, trail);
      trail.leave();
    }
  };
}

/** `FeatureSet.FieldPresence.IMPLICIT`: proto3 fields without `optional`. */
const implicitPresence = 2;

function toIsSet(field: DescField): (value: unknown) => boolean {
  if (field.fieldKind === "list") {
    return (value) => Array.isArray(value) && value.length > 0;
  }
  if (field.fieldKind === "map") {
    return (value) => isFields(value) && Object.keys(value).length > 0;
  }
  if (field.presence !== implicitPresence) {
    return (value) => value !== undefined;
  }
  return (value) => !(value === 0 || value === "" || value === false || value === 0n || isEmptyBytes(value));
}

function isEmptyBytes(value: unknown): boolean {
  return value instanceof Uint8Array && value.length === 0;
}

/** The check of a value that is there: of a field, or of the chosen case of a oneof. */
function compileSetValue(field: DescField): Compiled<ValueCheck> {
  const rules = getOption(field, fieldOption);
  if (rules.ignore === Ignore.ALWAYS) {
    return undefined;
  }
  refuseUnknownRules(FieldRulesSchema, rules, ["required", "ignore", ...knownTypes]);
  switch (field.fieldKind) {
    case "list":
      return compileList(field, rules);
    case "map":
      return compileMap(field, rules);
    default:
      return compileSingular(field, rules);
  }
}

const knownTypes = ["string", "int32", "int64", "double", "enum", "duration", "repeated", "map"];

type Element =
  | { readonly kind: "scalar"; readonly scalar: ScalarType }
  | { readonly kind: "enum"; readonly desc: Parameters<typeof toEnumCheck>[1] }
  | { readonly kind: "message"; readonly desc: DescMessage };

function compileSingular(field: DescField & { fieldKind: "scalar" | "enum" | "message" }, rules: FieldRules) {
  switch (field.fieldKind) {
    case "scalar":
      return compileElement({ kind: "scalar", scalar: field.scalar }, rules);
    case "enum":
      return compileElement({ kind: "enum", desc: field.enum }, rules);
    default:
      return compileElement({ kind: "message", desc: field.message }, rules);
  }
}

function compileElement(element: Element, rules: FieldRules | undefined): Compiled<ValueCheck> {
  if (rules?.ignore === Ignore.ALWAYS) {
    return undefined;
  }
  const own = element.kind === "enum" ? compileEnum(element.desc, rules) : compileScalar(element, rules);
  if (element.kind !== "message") {
    return own;
  }
  const below = compileMessage(element.desc);
  if (below === undefined) {
    return own;
  }
  return (value, trail) => {
    if (isFields(value)) {
      below(value, trail);
    }
  };
}

function compileEnum(desc: Parameters<typeof toEnumCheck>[1], rules: FieldRules | undefined): Compiled<ValueCheck> {
  return rules?.type.case === "enum" ? toEnumCheck(rules.type.value, desc) : undefined;
}

function compileScalar(element: Element, rules: FieldRules | undefined): Compiled<ValueCheck> {
  switch (rules?.type.case) {
    case undefined:
      return element.kind === "scalar" && element.scalar === ScalarType.STRING ? toStringCheck(undefined) : undefined;
    case "string":
      return toStringCheck(rules.type.value);
    case "int32":
      return toInt32Check(rules.type.value);
    case "int64":
      return toInt64Check(rules.type.value);
    case "double":
      return toDoubleCheck(rules.type.value);
    case "duration":
      return toDurationCheck(rules.type.value);
    default:
      throw new Error(`validation rule not implemented: ${rules?.type.case} rules here`);
  }
}

function compileList(field: DescField & { fieldKind: "list" }, fieldRules: FieldRules): Compiled<ValueCheck> {
  const rules = fieldRules.type.case === "repeated" ? fieldRules.type.value : undefined;
  if (rules !== undefined) {
    refuseUnknownRules(RepeatedRulesSchema, rules, ["min_items", "max_items", "unique", "items"]);
  }
  const itemsMin = Number(rules?.minItems ?? 0n);
  const hasMax = rules !== undefined && isFieldSet(rules, RepeatedRulesSchema.field.maxItems);
  const itemsMax = hasMax ? Number(rules.maxItems) : Number.POSITIVE_INFINITY;
  const mustBeUnique = rules?.unique === true;
  const item = compileItem(field, rules?.items);
  if (item === undefined && rules === undefined) {
    return undefined;
  }
  return (value, trail) => {
    if (!Array.isArray(value)) {
      return;
    }
    if (value.length < itemsMin) {
      trail.report(`at least ${itemsMin} items are needed`);
    }
    if (value.length > itemsMax) {
      trail.report(`at most ${itemsMax} items are allowed`);
    }
    if (mustBeUnique && new Set(value).size < value.length) {
      trail.report("items must differ from each other");
    }
    if (item !== undefined) {
      checkItems(value, item, trail);
    }
  };
}

function compileItem(field: DescField & { fieldKind: "list" }, rules: FieldRules | undefined): Compiled<ValueCheck> {
  switch (field.listKind) {
    case "scalar":
      return compileElement({ kind: "scalar", scalar: field.scalar }, rules);
    case "enum":
      return compileElement({ kind: "enum", desc: field.enum }, rules);
    default:
      return compileElement({ kind: "message", desc: field.message }, rules);
  }
}

function checkItems(items: readonly unknown[], check: ValueCheck, trail: Trail): void {
  for (let index = 0; index < items.length && !trail.isFull; index += 1) {
    trail.enter(index);
    check(items[index], trail);
    trail.leave();
  }
}

function compileMap(field: DescField & { fieldKind: "map" }, fieldRules: FieldRules): Compiled<ValueCheck> {
  const rules = fieldRules.type.case === "map" ? fieldRules.type.value : undefined;
  if (rules !== undefined) {
    refuseUnknownRules(MapRulesSchema, rules, ["min_pairs", "max_pairs", "keys", "values"]);
  }
  const pairsMin = Number(rules?.minPairs ?? 0n);
  const hasMax = rules !== undefined && isFieldSet(rules, MapRulesSchema.field.maxPairs);
  const pairsMax = hasMax ? Number(rules.maxPairs) : Number.POSITIVE_INFINITY;
  const isTextKey = field.mapKey === ScalarType.STRING;
  const key = compileMapKey(field, rules?.keys);
  const entry = compileMapValue(field, rules?.values);
  if (rules === undefined && key === undefined && entry === undefined) {
    return undefined;
  }
  return (value, trail) => {
    if (!isFields(value)) {
      return;
    }
    const names = Object.keys(value);
    if (names.length < pairsMin) {
      trail.report(`at least ${pairsMin} entries are needed`);
    }
    if (names.length > pairsMax) {
      trail.report(`at most ${pairsMax} entries are allowed`);
    }
    for (const name of names) {
      if (trail.isFull) {
        return;
      }
      trail.enter({ key: isTextKey ? JSON.stringify(name) : name });
      key?.(name, trail);
      entry?.(value[name], trail);
      trail.leave();
    }
  };
}

function compileMapKey(field: DescField & { fieldKind: "map" }, rules: FieldRules | undefined): Compiled<ValueCheck> {
  if (rules !== undefined && rules.type.case !== undefined && field.mapKey !== ScalarType.STRING) {
    throw new Error("validation rule not implemented: rules on map keys that are not text");
  }
  return compileElement({ kind: "scalar", scalar: field.mapKey }, rules);
}

function compileMapValue(field: DescField & { fieldKind: "map" }, rules: FieldRules | undefined): Compiled<ValueCheck> {
  switch (field.mapKind) {
    case "scalar":
      return compileElement({ kind: "scalar", scalar: field.scalar }, rules);
    case "enum":
      return compileElement({ kind: "enum", desc: field.enum }, rules);
    default:
      return compileElement({ kind: "message", desc: field.message }, rules);
  }
}

function isFields(value: unknown): value is FieldsByName {
  return typeof value === "object" && value !== null;
}
