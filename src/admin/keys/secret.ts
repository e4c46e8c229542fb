import { hash } from "node:crypto";

const prefix = "llmg_";
export const secretBytes = 32;
/** Enough to recognise a key by, too little to guess one from: 24 of 256 bits. */
const hintLength = prefix.length + 4;

export type Secret = {
  /** Shown once, never stored. */
  readonly text: string;
  /** SHA-256 in hex. */
  readonly digest: string;
  readonly hint: string;
};

/** `random`: 32 random bytes. */
export function toSecret(random: Uint8Array): Secret {
  const text = prefix + Buffer.from(random).toString("base64url");
  return { text, digest: hash("sha256", text, "hex"), hint: text.slice(0, hintLength) };
}
