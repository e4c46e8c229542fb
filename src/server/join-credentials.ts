import type { IncomingHttpHeaders } from "node:http2";

const name = "authorization";

/**
 * Makes several `authorization` headers one value, which is no credential and is refused as one that does not hold. Node
 * keeps the first of them and forgets the others, while a proxy before us may have checked another.
 */
export function joinCredentials(headers: IncomingHttpHeaders, rawHeaders: readonly string[]): void {
  let joined: string | undefined;
  let count = 0;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const key = rawHeaders[index] ?? "";
    if (key.length !== name.length || key.toLowerCase() !== name) continue;
    count++;
    joined = joined === undefined ? rawHeaders[index + 1] : `${joined}, ${rawHeaders[index + 1]}`;
  }
  if (count > 1) headers[name] = joined;
}
