import { type DescMessage, type JsonObject, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";

export type FieldChange = {
  /** Name in the contract. */
  readonly field: string;
  /** `undefined`: not set. */
  readonly before: JsonValue | undefined;
  readonly after: JsonValue | undefined;
};

/** Which of the fields differ between what is there and what is wanted; all that is wanted when nothing is there. */
export function differenceOf<Desc extends DescMessage>(
  schema: Desc,
  fields: readonly string[],
  current: MessageShape<Desc> | undefined,
  wanted: MessageShape<Desc>,
): readonly FieldChange[] {
  const before = current === undefined ? {} : toObject(schema, current);
  const after = toObject(schema, wanted);
  return fields
    .map((field) => ({ field, before: before[field], after: after[field] }))
    .filter((change) => canonical(change.before) !== canonical(change.after));
}

function toObject<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): JsonObject {
  const json: JsonValue = toJson(schema, message, { useProtoFieldName: true });
  return typeof json === "object" && json !== null && !Array.isArray(json) ? json : {};
}

/** Maps have no order. */
function canonical(value: JsonValue | undefined): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
