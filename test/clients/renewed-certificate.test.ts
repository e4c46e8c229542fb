import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterEach, expect, it } from "vitest";
import { makeCertificate } from "../../src/server/testing/make-certificate.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";

let folder = "";
afterEach(async () => {
  await stopGateways();
  rmSync(folder, { recursive: true, force: true });
});

it("shows a renewed certificate after SIGHUP, and keeps it when the next one is broken", async () => {
  folder = mkdtempSync(join(tmpdir(), "llm-gateway-tls-"));
  const [cert, key] = [join(folder, "tls.crt"), join(folder, "tls.key")];
  const install = (name: string) => {
    const identity = makeCertificate(name, makeCertificate("authority"));
    writeFileSync(cert, identity.cert);
    writeFileSync(key, identity.key);
  };
  install("first");
  const gateway = await startGateway({
    yaml: `
providers: [{ id: sim, kind: openai, base_url: "http://127.0.0.1:9", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }]
models: [{ id: small, targets: [{ provider: sim, model: small }] }]
`,
    server: `{ listen: 127.0.0.1:0, tls: { cert_file: "${cert}", key_file: "${key}" } }`,
  });
  expect(await shownName(gateway)).toBe("first");
  install("second");
  gateway.kill("SIGHUP");
  await said(gateway, "the certificates were read anew");
  expect(await shownName(gateway)).toBe("second");
  writeFileSync(cert, "no certificate");
  gateway.kill("SIGHUP");
  await said(gateway, "the old ones stay");
  expect(await shownName(gateway)).toBe("second");
});

async function shownName({ port }: GatewayProcess): Promise<unknown> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return subject.CN;
}

/** Until the log has the sentence; the test's own time limit ends the wait. */
async function said({ lines }: GatewayProcess, sentence: string): Promise<void> {
  while (!lines.some((line) => line.includes(sentence))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
