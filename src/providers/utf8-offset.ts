/** What a provider counts when it gives positions in a text. */
export type TextUnit = "code-point" | "utf-16";

/** Converts positions in `text` to positions in its UTF-8 form, which is what the contract counts. Past the end: the end. */
export function toUtf8Offset(text: string, position: number, unit: TextUnit): number {
  const end = unit === "utf-16" ? position : toUtf16Offset(text, position);
  return Buffer.byteLength(text.slice(0, end));
}

function toUtf16Offset(text: string, codePoints: number): number {
  let offset = 0;
  for (let seen = 0; seen < codePoints && offset < text.length; seen++) {
    offset += (text.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1;
  }
  return offset;
}
