/** Any id as one token of an object's key: what NATS does not allow there is written as "=2f=" (its code in hex). */
export function toObjectToken(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9_-]/gu, (character) => `=${(character.codePointAt(0) ?? 0).toString(16)}=`);
}
