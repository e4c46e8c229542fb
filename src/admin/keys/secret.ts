import { hash } from "node:crypto";

const prefix = "llmg_";
export const secretBytes = 32;
/** Enough to recognise a key by, too little to guess one from: 24 of 256 bits. */
const hintLength = prefix.length + 4;

const digestPrefix = "sha256:";
const digestHintLength = 8;

export type Secret = {
  /** Shown once, never stored; "": the caller has made it, and alone knows it. */
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

/** A secret that the caller has made; `digest` is its SHA-256 in lower-case hex. */
export function fromDigest(digest: string): Secret {
  return { text: "", digest, hint: `${digestPrefix}${digest.slice(0, digestHintLength)}` };
}
