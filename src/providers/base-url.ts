/** Where the requests of a provider go: the two halves of an `HttpRequest`'s address. */
export type BaseUrl = {
  /** Scheme, host and port. */
  readonly origin: string;
  /** Path before the provider's own paths, without a slash at its end; "" for a bare origin. */
  readonly path: string;
  /** Query of the configured address with its "?"; "" when there is none. */
  readonly query: string;
};

/** Reads `base_url` of a provider. Throws one readable line when it is no address that can be called. */
export function parseBaseUrl(text: string): BaseUrl {
  const url = URL.parse(text);
  if (url === null) throw new Error("base_url is not an absolute address such as https://host/path");
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new Error("base_url must start with https:// or http://");
  if (url.username !== "" || url.password !== "") throw new Error("base_url must not contain a user name or password");
  if (url.hash !== "") throw new Error("base_url must not contain a fragment");
  return { origin: url.origin, path: withoutSlashAtEnd(url.pathname), query: url.search };
}

/**
 * Path and query of one of the provider's own paths below the base. A version that stands at both sides is not doubled:
 * "https://host/v1" and "/v1/chat/completions" give "/v1/chat/completions", since half the world configures one form and
 * half the other. The base's version wins: "/v2" and "/v1/models" give "/v2/models".
 */
export function pathBelow(base: BaseUrl, ownPath: string): string {
  const own = endsInVersion(base.path) ? withoutVersionAtStart(ownPath) : ownPath;
  const path = base.path + own;
  if (base.query === "") return path;
  return path.includes("?") ? `${path}&${base.query.slice(1)}` : path + base.query;
}

/** Whether the path ends in a version such as "/v1", "/v1beta" or "/v4". */
export function endsInVersion(path: string): boolean {
  return /\/v\d+[a-z0-9]*$/.test(path);
}

function withoutVersionAtStart(path: string): string {
  return path.replace(/^\/v\d+[a-z0-9]*(?=\/)/, "");
}

function withoutSlashAtEnd(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === "/") end--;
  return path.slice(0, end);
}
