// Updates by field mask: which fields a caller may change, and how they are taken over.
import { clone, type DescField, type DescMessage, isFieldSet, type MessageShape } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { invalid } from "./refusals.ts";

/** Top-level fields by their names in the contract. */
export type FieldNames = readonly string[];

/**
 * The fields that an update changes: those of the mask, or without one every field that is set. Throws `CallFailure`
 * INVALID_REQUEST for a field that is not `changeable`.
 */
export function fieldsToChange<Desc extends DescMessage>(
  schema: Desc,
  changeable: FieldNames,
  wanted: MessageShape<Desc>,
  mask: FieldNames,
): FieldNames {
  if (mask.length === 0) return changeable.filter((name) => isFieldSet(wanted, fieldOf(schema, name)));
  if (mask.every((path) => changeable.includes(path))) return mask;
  throw invalid({ field: "update_mask", description: `may name ${changeable.join(", ")}` });
}

/** A copy of the message with the named fields taken from another, also where they are not set there. */
export function withFields<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  wanted: MessageShape<Desc>,
  names: FieldNames,
): MessageShape<Desc> {
  const changed = clone(schema, message);
  const [from, to] = [reflect(schema, clone(schema, wanted)), reflect(schema, changed)];
  for (const name of names) {
    const field = fieldOf(schema, name);
    if (isFieldSet(wanted, field)) to.set(field, from.get(field));
    else to.clear(field);
  }
  return changed;
}

function fieldOf(schema: DescMessage, name: string): DescField {
  const field = schema.fields.find((one) => one.name === name);
  if (field === undefined) throw new Error(`${schema.typeName} has no field ${name}`);
  return field;
}
