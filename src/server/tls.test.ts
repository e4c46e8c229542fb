import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import { InferenceService, Role } from "../contract.ts";
import { readUris } from "./peer-certificate.ts";
import { makeCertificate } from "./testing/make-certificate.ts";
import { startTestServer, type TestServer } from "./testing/start-test-server.ts";

const authority = makeCertificate("test authority");
const stranger = makeCertificate("another authority");
const serverIdentity = makeCertificate("server", authority);
const clientIdentity = makeCertificate("client", authority, "spiffe://acme/search/api");
const headers = { authorization: "Bearer good" };
const request = {
  model: "echo",
  messages: [{ role: Role.USER, parts: [{ content: { case: "text" as const, value: { text: "hi" } } }] }],
};

let test: TestServer | undefined;
afterEach(() => test?.server.close(0));

describe("TLS", () => {
  it("serves gRPC over h2 and Connect over HTTP/1.1 on one port", async () => {
    test = await startTestServer({ tls: { cert: serverIdentity.cert, key: serverIdentity.key } });
    const nodeOptions = { ca: authority.cert };
    const baseUrl = test.url;
    for (const transport of [
      createGrpcTransport({ baseUrl, nodeOptions }),
      createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
      createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions }),
    ]) {
      expect((await createClient(InferenceService, transport).complete(request, { headers })).model).toBe("echo");
    }
    expect(test.gateway.calls.map(({ start }) => start.peer)).toEqual([undefined, undefined, undefined]);
  });

  it("refuses clear text on the port, and tells HTTP/1.1 clients why", async () => {
    test = await startTestServer({ tls: { cert: serverIdentity.cert, key: serverIdentity.key } });
    const plain = test.url.replace("https", "http");
    const answer = await fetch(`${plain}/livez`);
    expect([answer.status, await answer.text()]).toEqual([400, "this port takes TLS only\n"]);
    const grpc = createClient(InferenceService, createGrpcTransport({ baseUrl: plain }));
    await expect(grpc.complete(request, { headers })).rejects.toThrow();
    expect(test.gateway.calls).toEqual([]);
  });

  it("gives the names of a verified client certificate to the gateway, over every protocol", async () => {
    const { cert, key } = serverIdentity;
    test = await startTestServer({ tls: { cert, key, clientCa: authority.cert } });
    const nodeOptions = { ca: authority.cert, cert: clientIdentity.cert, key: clientIdentity.key };
    const baseUrl = test.url;
    const peer = { subject: "CN=client", uris: ["spiffe://acme/search/api"] };
    for (const transport of [
      createGrpcTransport({ baseUrl, nodeOptions }),
      createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
    ]) {
      await createClient(InferenceService, transport).complete(request, { headers });
    }
    expect(test.gateway.calls.map(({ start }) => start.peer)).toEqual([peer, peer]);
  });

  it("shows new connections the certificate that it was given last, and keeps the open ones", async () => {
    const { cert, key } = serverIdentity;
    test = await startTestServer({ tls: { cert, key } });
    const baseUrl = test.url;
    const clientThatTrusts = (ca: string) =>
      createClient(InferenceService, createGrpcTransport({ baseUrl, nodeOptions: { ca } }));
    const before = clientThatTrusts(authority.cert);
    await before.complete(request, { headers });
    const renewed = makeCertificate("server", stranger);
    test.server.useCertificates({ cert: renewed.cert, key: renewed.key });
    await before.complete(request, { headers });
    await clientThatTrusts(stranger.cert).complete(request, { headers });
    await expect(clientThatTrusts(authority.cert).complete(request, { headers })).rejects.toThrow();
  });

  it("keeps its certificate when the new one is none", async () => {
    test = await startTestServer({ tls: { cert: serverIdentity.cert, key: serverIdentity.key } });
    const { server, url: baseUrl } = test;
    expect(() => server.useCertificates({ cert: "none", key: "none" })).toThrow();
    expect(() => server.useCertificates({ cert: serverIdentity.cert, key: stranger.key })).toThrow();
    const transport = createGrpcTransport({ baseUrl, nodeOptions: { ca: authority.cert } });
    expect((await createClient(InferenceService, transport).complete(request, { headers })).model).toBe("echo");
  });

  it.each([
    ["none", {}],
    ["one of another authority", { cert: stranger.cert, key: stranger.key }],
  ])("refuses clients whose certificate is: %s", async (_name, identity) => {
    const { cert, key } = serverIdentity;
    test = await startTestServer({ tls: { cert, key, clientCa: authority.cert } });
    const nodeOptions = { ca: authority.cert, ...identity };
    const transport = createGrpcTransport({ baseUrl: test.url, nodeOptions });
    await expect(createClient(InferenceService, transport).complete(request, { headers })).rejects.toThrow();
    expect(test.gateway.calls).toEqual([]);
  });
});

describe("readUris", () => {
  it("reads what Node prints, with commas quoted", () => {
    expect(readUris('DNS:a, URI:spiffe://x/y, URI:"http://a/?b=1, c", IP Address:127.0.0.1')).toEqual([
      "spiffe://x/y",
      "http://a/?b=1, c",
    ]);
    expect(readUris("")).toEqual([]);
  });
});
