const limits = { timeoutMs: 5_000, bytesMax: 1024 * 1024 } as const;

/**
 * Gets a JWKS as parsed JSON. Rejects on anything but a 200 with JSON of a bounded size within the time limit. Only over
 * TLS, except on the loopback: who can change the keys on the way can make every token. Redirects are not followed.
 */
export async function fetchJwks(url: string): Promise<unknown> {
  const { protocol, hostname } = new URL(url);
  const isLoopback = hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";
  if (protocol !== "https:" && !(protocol === "http:" && isLoopback)) {
    throw new Error("a key set is fetched over https only");
  }
  const signal = AbortSignal.timeout(limits.timeoutMs);
  const response = await fetch(url, { headers: { accept: "application/json" }, redirect: "error", signal });
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new Error(`the key set was answered with status ${response.status}`);
  }
  return JSON.parse(await readBounded(response.body));
}

async function readBounded(body: ReadableStream<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > limits.bytesMax) throw new Error("the key set is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
