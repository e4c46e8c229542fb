import { connect as connectTcp } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it, vi } from "vitest";
import { InferenceService, Role } from "../contract.ts";
import type { HandshakeRefusal } from "./handshake-refusal.ts";
import { readUris } from "./peer-certificate.ts";
import { type Certified, makeCertificate } from "./testing/make-certificate.ts";
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

describe("a client that gets no TLS connection", () => {
  const day = 86_400_000;
  const expired = makeCertificate("client", authority, undefined, Date.now() - 3 * day);
  const early = makeCertificate("client", authority, undefined, Date.now() + day);
  const ofStranger = makeCertificate("client", stranger);

  it.each<[string, ConnectionOptions, HandshakeRefusal]>([
    ["without a certificate", {}, "client-certificate-missing"],
    ["with an expired one", identityOf(expired), "client-certificate-expired"],
    ["with one that holds later", identityOf(early), "client-certificate-not-yet-valid"],
    ["with one of another authority", identityOf(ofStranger), "client-certificate-untrusted"],
    ["with one that it signed itself", identityOf(stranger), "client-certificate-untrusted"],
    ["that speaks another protocol", { ...identityOf(clientIdentity), ALPNProtocols: ["spdy/3"] }, "not-spoken"],
  ])("%s is told of, under TLS 1.2 and 1.3", async (_, options, because) => {
    const { cert, key } = serverIdentity;
    test = await startTestServer({ tls: { cert, key, clientCa: authority.cert } });
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      await refusedBy(test.server.port, { ...options, minVersion: version, maxVersion: version });
    }
    await vi.waitFor(() => expect(test?.refusedHandshakes).toEqual([because, because]));
    expect(test.gateway.calls).toEqual([]);
  });

  it.each([
    ["clear text", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["noise in the form of TLS", Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5, 6])],
  ])("that sends %s is only counted", async (_, bytes) => {
    test = await startTestServer({ tls: { cert: serverIdentity.cert, key: serverIdentity.key } });
    const socket = connectTcp(test.server.port, "127.0.0.1", () => socket.end(bytes));
    socket.resume().on("error", () => undefined);
    await vi.waitFor(() => expect(test?.refusedHandshakes).toEqual(["not-spoken"]));
  });
});

function identityOf({ cert, key }: Certified): ConnectionOptions {
  return { cert, key };
}

/** Until the server has closed the connection, which under TLS 1.3 the client took to be there. */
async function refusedBy(port: number, options: ConnectionOptions): Promise<void> {
  const socket = connectTls({ host: "127.0.0.1", port, ca: authority.cert, ALPNProtocols: ["h2"], ...options });
  socket.resume().on("error", () => undefined);
  await new Promise((resolve) => socket.once("close", resolve));
}

describe("readUris", () => {
  it("reads what Node prints, with commas quoted", () => {
    expect(readUris('DNS:a, URI:spiffe://x/y, URI:"http://a/?b=1, c", IP Address:127.0.0.1')).toEqual([
      "spiffe://x/y",
      "http://a/?b=1, c",
    ]);
    expect(readUris("")).toEqual([]);
  });
});
