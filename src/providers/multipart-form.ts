// `multipart/form-data` (RFC 7578) as a value, for the few operations that take files.
import type { HttpRequest } from "../domain/http.ts";

export type FormField =
  /** `value` undefined: the field is left out. */
  | { readonly name: string; readonly value: string | undefined }
  | { readonly name: string; readonly file: Uint8Array; readonly mediaType: string; readonly filename: string };

export function postForm(origin: string, path: string, fields: readonly FormField[]): HttpRequest {
  const parts = fields.flatMap(toPart);
  const boundary = boundaryFor(parts);
  const pieces = parts.flatMap((part) => [Buffer.from(`--${boundary}\r\n`), part, Buffer.from("\r\n")]);
  return {
    method: "POST",
    origin,
    path,
    headers: { "content-type": `multipart/form-data; boundary=${boundary}`, accept: "application/json" },
    body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
  };
}

function toPart(field: FormField): readonly Buffer[] {
  const head = `content-disposition: form-data; name="${quoted(field.name)}"`;
  if ("file" in field) {
    const type = field.mediaType === "" ? "application/octet-stream" : field.mediaType.replace(/[\r\n]/g, "");
    const text = `${head}; filename="${quoted(field.filename)}"\r\ncontent-type: ${type}\r\n\r\n`;
    return [Buffer.concat([Buffer.from(text), field.file])];
  }
  return field.value === undefined ? [] : [Buffer.from(`${head}\r\n\r\n${field.value}`)];
}

/** As browsers escape names (HTML, "multipart/form-data"), so that none can end its line. */
function quoted(text: string): string {
  return text.replaceAll('"', "%22").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

/** The same for the same content, and nowhere in it. */
function boundaryFor(parts: readonly Buffer[]): string {
  for (let number = 0; ; number += 1) {
    const boundary = `llm-gateway-form-${number}`;
    if (parts.every((part) => !part.includes(boundary))) return boundary;
  }
}
