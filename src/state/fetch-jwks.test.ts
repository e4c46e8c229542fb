import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { fetchJwks } from "./fetch-jwks.ts";

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address() satisfies AddressInfo | string | null;
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}/jwks.json`;
}

it("gets a key set", async () => {
  const url = await serve((_, response) => response.end('{"keys":[]}'));
  expect(await fetchJwks(url)).toEqual({ keys: [] });
});

it.each<[string, RequestListener]>([
  ["an error status", (_, response) => response.writeHead(500).end('{"keys":[]}')],
  ["a redirect", (_, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end()],
  ["what is no JSON", (_, response) => response.end("<html>")],
  ["more than a megabyte", (_, response) => response.end(`{"keys":["${"a".repeat(2_000_000)}"]}`)],
])("refuses %s", async (_, listener) => {
  await expect(fetchJwks(await serve(listener))).rejects.toThrow();
});

it("refuses plain HTTP off the loopback, and other schemes", async () => {
  await expect(fetchJwks("http://id.example.com/jwks.json")).rejects.toThrow("https only");
  await expect(fetchJwks("file:///etc/passwd")).rejects.toThrow("https only");
});
