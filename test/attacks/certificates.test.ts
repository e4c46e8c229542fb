// Clients whose certificate does not hold, over a real process under mutual TLS. None gets in, each leaves a record, and a
// flood of them fills no disk.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type ConnectionOptions, connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Certified, makeCertificate } from "../../src/server/testing/make-certificate.ts";
import { auditRecordLike, auditRecords } from "../audit-records.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";

const authority = makeCertificate("authority");
const stranger = makeCertificate("another authority");
const server = makeCertificate("server", authority);
const client = makeCertificate("client", authority, "spiffe://acme/search/api");
const expired = makeCertificate("client", authority, "spiffe://acme/search/api", Date.now() - 3 * 86_400_000);
const forged = makeCertificate("client", stranger, "spiffe://acme/search/api");

let folder: string;
let gateway: GatewayProcess;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "llm-gateway-mtls-"));
  const [cert, key, ca] = ["tls.crt", "tls.key", "clients.crt"].map((name) => join(folder, name));
  writeFileSync(cert ?? "", server.cert);
  writeFileSync(key ?? "", server.key);
  writeFileSync(ca ?? "", authority.cert);
  gateway = await startGateway({
    server: `{ listen: 127.0.0.1:0, tls: { cert_file: "${cert}", key_file: "${key}", client_ca_file: "${ca}" } }`,
    yaml: `
providers: [{ id: sim, kind: openai, base_url: "http://127.0.0.1:9", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }]
models: [{ id: small, targets: [{ provider: sim, model: small }] }]
authentication: { mtls: [{ spiffe: "spiffe://acme/search/*", project: search }] }
`,
  });
});

afterAll(async () => {
  await stopGateways();
  rmSync(folder, { recursive: true, force: true });
});

function identityOf({ cert, key }: Certified): ConnectionOptions {
  return { cert, key };
}

/** What the server said before it closed the connection. */
async function knock(identity: ConnectionOptions): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: gateway.port, ca: authority.cert, ...identity });
  socket.on("error", () => undefined);
  socket.write("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
  let said = "";
  socket.on("data", (bytes) => {
    said += bytes;
  });
  await new Promise((resolve) => socket.once("close", resolve));
  return said;
}

function metrics(): Promise<string> {
  const options = {
    host: "127.0.0.1",
    port: gateway.port,
    path: "/metrics",
    ca: authority.cert,
    ...identityOf(client),
  };
  return new Promise((resolve, reject) => {
    request(options, (response) => resolve(text(response)))
      .on("error", reject)
      .end();
  });
}

describe("a client certificate", () => {
  it.each<[string, ConnectionOptions, string]>([
    ["is missing", {}, "CLIENT_CERTIFICATE_MISSING"],
    ["has expired", identityOf(expired), "CLIENT_CERTIFICATE_EXPIRED"],
    ["is of another authority", identityOf(forged), "CLIENT_CERTIFICATE_UNTRUSTED"],
  ])("that %s opens nothing, and leaves a record", async (_, identity, reason) => {
    expect(await knock(identity)).toBe("");
    await auditRecordLike(gateway, { kind: "connection.denied", reason });
  });

  it("may come wrong a hundred times a minute, and each is counted without a record of its own", async () => {
    const before = auditRecords(gateway).length;
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 10 }, () => knock(identityOf(expired))));
    }
    const page = await metrics();
    const refused = /llmgateway_tls_handshakes_refused_total\{reason="client-certificate-expired"\} (\d+)/.exec(page);
    expect(Number(refused?.[1])).toBe(101);
    expect(auditRecords(gateway).length - before).toBeLessThanOrEqual(2);
  });
});
