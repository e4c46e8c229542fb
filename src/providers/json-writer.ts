// Writing the JSON of a request. Schemas, arguments and provider parts come as JSON text whose order of keys and whose large
// numbers matter (a schema's order steers generation), so they are spliced in as they are and never parsed and rebuilt.

/** JSON text that goes into the body as it is. */
export class RawJson {
  readonly text: string;

  /** `text` must be valid JSON: check with `parseJson` first when a caller wrote it. */
  constructor(text: string) {
    this.text = text;
  }
}

export type JsonOut = string | number | boolean | null | RawJson | readonly JsonOut[] | JsonOutObject;

/** Members that are `undefined` are left out. */
export type JsonOutObject = { readonly [name: string]: JsonOut | undefined };

/** As `JSON.stringify`, and splices `RawJson` in. */
export function writeJson(value: JsonOut): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (value instanceof RawJson) return value.text;
  if (isList(value)) return `[${value.map(writeJson).join(",")}]`;
  let text = "";
  for (const name of Object.keys(value)) {
    const member = value[name];
    if (member !== undefined) text += `${text === "" ? "" : ","}${JSON.stringify(name)}:${writeJson(member)}`;
  }
  return `{${text}}`;
}

function isList(value: readonly JsonOut[] | JsonOutObject): value is readonly JsonOut[] {
  return Array.isArray(value);
}
