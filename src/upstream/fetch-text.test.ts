import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { afterEach, expect, it } from "vitest";
import { createTextFetcher, toRequest } from "./fetch-text.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}

function fetcher(options: Parameters<typeof createTextFetcher>[0]): ReturnType<typeof createTextFetcher>["fetchText"] {
  const { fetchText, close } = createTextFetcher(options);
  cleanups.push(close);
  return fetchText;
}

it("gives the text of any status", async () => {
  const url = await serve((request, response) => {
    response.writeHead(404);
    response.end(`${request.method} ${request.url}`);
  });
  expect(await fetcher({})(toRequest(`${url}/a/b?c=d`))).toEqual({ status: 404, text: "GET /a/b?c=d" });
});

it("gives up on silence, and closes the connection", async () => {
  const closed = Promise.withResolvers<void>();
  const url = await serve((request) => {
    request.socket.once("close", () => closed.resolve());
  });
  await expect(fetcher({ timeoutMs: 50 })(toRequest(url))).rejects.toMatchObject({ kind: "timeout" });
  await closed.promise;
});

it("gives up on an answer beyond the limit", async () => {
  const url = await serve((_request, response) => response.end("x".repeat(1_000)));
  await expect(fetcher({ bytesMax: 999 })(toRequest(url))).rejects.toMatchObject({ kind: "bad-response" });
  expect((await fetcher({ bytesMax: 1_000 })(toRequest(url))).text).toHaveLength(1_000);
});

it("rejects with the failure of the connection", async () => {
  const url = await serve((request) => request.socket.destroy());
  await expect(fetcher({})(toRequest(url))).rejects.toMatchObject({ kind: "unavailable" });
});
