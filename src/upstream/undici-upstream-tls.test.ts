import { once } from "node:events";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ProviderFailure } from "../domain/provider-failure.ts";
import { makeCertificate } from "../server/testing/make-certificate.ts";
import { createUpstream } from "./undici-upstream.ts";

const authority = makeCertificate("Test Authority");
const certificate = makeCertificate("provider", authority);

let server: Http2SecureServer;
let origin: string;

beforeAll(async () => {
  server = createSecureServer(
    { cert: certificate.cert, key: certificate.key, allowHTTP1: true },
    (request, response) => {
      response.writeHead(200, { "x-protocol": request.httpVersion });
      response.end("secret");
    },
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  origin = `https://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
});

afterAll(() => server.close());

async function protocolOf(options: {
  http2: boolean;
  trustedCertificates: readonly string[];
}): Promise<string | undefined> {
  const { http2, trustedCertificates } = options;
  const upstream = createUpstream({
    providers: [{ settings: { id: "p" }, timeouts: { connectMs: 3_000 }, maxConnections: 1, http2 }],
    trustedCertificates,
  });
  const answer = Promise.withResolvers<string | undefined>();
  let protocol: string | undefined;
  upstream.dispatch(
    "p",
    { method: "GET", origin, path: "/", headers: {}, body: "" },
    {
      onStart(_status, headers) {
        protocol = headers["x-protocol"];
      },
      onData() {},
      onEnd: () => answer.resolve(protocol),
      onFailure: (failure) => answer.reject(failure),
    },
  );
  try {
    return await answer.promise;
  } finally {
    await upstream.close();
  }
}

it("speaks HTTP/1.1 over TLS unless HTTP/2 is asked for, though the provider offers both", async () => {
  expect(await protocolOf({ http2: false, trustedCertificates: [authority.cert] })).toBe("1.1");
  expect(await protocolOf({ http2: true, trustedCertificates: [authority.cert] })).toBe("2.0");
});

it("calls a provider whose certificate nobody vouches for unavailable", async () => {
  const failure = await protocolOf({ http2: false, trustedCertificates: [] }).then(
    () => undefined,
    (error: ProviderFailure) => error,
  );
  expect(failure?.kind).toBe("unavailable");
  expect(failure?.message).toContain("TLS");
});
