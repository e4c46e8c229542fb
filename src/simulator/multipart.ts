import type { JsonRecord } from "../wire/json.ts";
import { WireProblem } from "./wire.ts";

/** A file of a form. */
export type FormFile = { readonly filename: string; readonly contentType: string; readonly bytes: Uint8Array };

/**
 * The fields of a `multipart/form-data` body (RFC 7578): texts as strings, files as `FormFile`; of a name that ends in "[]"
 * or comes several times, all. Throws `WireProblem` when the body is none.
 */
export function parseMultipart(body: Uint8Array): JsonRecord {
  const text = Buffer.from(body).toString("latin1");
  const boundary = /^--([^\r\n]{1,70})\r\n/.exec(text)?.[0].trimEnd();
  if (boundary === undefined) throw new WireProblem("the body is no multipart/form-data");
  const fields: Record<string, unknown> = {};
  for (const part of text.split(boundary).slice(1, -1)) {
    const gap = part.indexOf("\r\n\r\n");
    const head = part.slice(0, gap);
    const name = /;\s*name="([^"]*)"/i.exec(head)?.[1];
    if (gap < 0 || name === undefined) throw new WireProblem("a part of the form has no name");
    const content = part.slice(gap + 4, -2);
    add(fields, name, toField(head, content));
  }
  return fields;
}

export function isFormFile(value: unknown): value is FormFile {
  return typeof value === "object" && value !== null && "filename" in value && "bytes" in value;
}

function toField(head: string, content: string): string | FormFile {
  const bytes = Buffer.from(content, "latin1");
  const filename = /;\s*filename="([^"]*)"/i.exec(head)?.[1];
  if (filename === undefined) return bytes.toString("utf8");
  return { filename, contentType: /content-type:\s*([^\r\n]+)/i.exec(head)?.[1] ?? "", bytes };
}

function add(fields: Record<string, unknown>, name: string, value: unknown): void {
  const known = fields[name];
  if (known === undefined && !name.endsWith("[]")) fields[name] = value;
  else fields[name] = [...(Array.isArray(known) ? known : known === undefined ? [] : [known]), value];
}
