// Reads of claims by dotted path, e.g. "realm_access.roles". A claim whose own name has dots ("https://acme.com/prj")
// is found by its whole name first.

/** The value at a path; `undefined` when it is not there. Never follows the prototype chain. */
export function readClaim(claims: object, path: string): unknown {
  if (Object.hasOwn(claims, path)) return Reflect.get(claims, path);
  let value: unknown = claims;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}

/** A claim that is one text; "" when it is not there or is something else. */
export function readTextClaim(claims: object, path: string): string {
  const value = readClaim(claims, path);
  return typeof value === "string" ? value : "";
}

/** A claim that is a list of texts, or one text with spaces between (as OAuth `scope`). */
export function readListClaim(claims: object, path: string): readonly string[] {
  const value = readClaim(claims, path);
  if (typeof value === "string") return value.split(" ").filter((word) => word !== "");
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
