/** Bytes with their media type, as a `data:` URL holds them. */
export type DataUrl = { readonly mediaType: string; readonly data: Uint8Array };

export function toDataUrl(mediaType: string, data: Uint8Array): string {
  return `data:${mediaType};base64,${toBase64(data)}`;
}

/** `undefined` when the text is no base64 `data:` URL. */
export function parseDataUrl(text: string): DataUrl | undefined {
  if (!text.startsWith("data:")) return undefined;
  const comma = text.indexOf(",");
  const head = text.slice(5, comma);
  if (comma < 0 || !head.endsWith(";base64")) return undefined;
  return { mediaType: head.slice(0, -7), data: fromBase64(text.slice(comma + 1)) };
}

export function toBase64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
}

/** Lenient, as Node is: characters that are no base64 are skipped. The bytes have a buffer of their own. */
export function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}
