/** A piece of the answer, told apart by the tags around it. */
export type TaggedText = { readonly kind: "reasoning" | "text"; readonly text: string };

/** Takes text that may begin with `<think>…</think>` in pieces of any size. */
export interface ThinkTagSplitter {
  push(piece: string): readonly TaggedText[];
  /** What was held back because it could have been the begin of a tag. */
  finish(): readonly TaggedText[];
}

const openTag = "<think>";
const closeTag = "</think>";

/**
 * Some servers leave the reasoning of a model in its text (DeepSeek-R1 and kin). Only a tag at the very beginning counts,
 * since later ones are the model's own words; the first closing tag ends it. The tags themselves are taken out, and so is
 * the white space before the first one.
 */
export function createThinkTagSplitter(): ThinkTagSplitter {
  let place: "begin" | "inside" | "after" = "begin";
  let held = "";

  function begin(): readonly TaggedText[] {
    const start = held.trimStart();
    if (start.length < openTag.length && openTag.startsWith(start)) return [];
    place = start.startsWith(openTag) ? "inside" : "after";
    if (place === "inside") {
      held = start.slice(openTag.length);
      return inside();
    }
    return flush("text");
  }

  function inside(): readonly TaggedText[] {
    const end = held.indexOf(closeTag);
    if (end >= 0) {
      const reasoning = held.slice(0, end);
      held = held.slice(end + closeTag.length);
      place = "after";
      return [...toPieces("reasoning", reasoning), ...flush("text")];
    }
    const keep = lengthOfTagStart(held);
    const reasoning = held.slice(0, held.length - keep);
    held = held.slice(held.length - keep);
    return toPieces("reasoning", reasoning);
  }

  function flush(kind: TaggedText["kind"]): readonly TaggedText[] {
    const text = held;
    held = "";
    return toPieces(kind, text);
  }

  return {
    push(piece) {
      held += piece;
      if (place === "after") return flush("text");
      return place === "begin" ? begin() : inside();
    },
    finish: () => flush(place === "inside" ? "reasoning" : "text"),
  };
}

function toPieces(kind: TaggedText["kind"], text: string): readonly TaggedText[] {
  return text === "" ? [] : [{ kind, text }];
}

/** How many characters at the end could be the begin of the closing tag. */
function lengthOfTagStart(text: string): number {
  for (let length = Math.min(text.length, closeTag.length - 1); length > 0; length--) {
    if (text.endsWith(closeTag.slice(0, length))) return length;
  }
  return 0;
}
