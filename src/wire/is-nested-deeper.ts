/**
 * Whether arrays and objects of a JSON text stand deeper in each other than `depthMax`. Works on what is no JSON, too,
 * and then means nothing. Texts with few brackets, such as long base64 values, are not walked through.
 */
export function isNestedDeeper(text: string, depthMax: number): boolean {
  if (text.length <= depthMax || !hasMoreOpenings(text, depthMax)) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quote:
        at = endOfString(text, at);
        break;
      case openBracket:
      case openBrace:
        depth++;
        if (depth > depthMax) return true;
        break;
      case closeBracket:
      case closeBrace:
        depth--;
        break;
    }
  }
  return false;
}

const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** A text cannot be deeper than it has openings. */
function hasMoreOpenings(text: string, max: number): boolean {
  let count = 0;
  for (const opening of ["[", "{"]) {
    for (let at = text.indexOf(opening); at >= 0; at = text.indexOf(opening, at + 1)) {
      count++;
      if (count > max) return true;
    }
  }
  return false;
}

/** Place of the quotation mark that ends the string which begins at `start`; the end of the text when none does. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

/** Whether an odd number of backslashes stands before the place. */
function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charCodeAt(before) === backslash) before--;
  return (at - before) % 2 === 0;
}
