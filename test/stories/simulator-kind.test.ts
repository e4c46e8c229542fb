// A config that needs neither an account nor a second process.
import { afterAll, expect, it } from "vitest";
import { InferenceService, Role } from "../../src/contract.ts";
import { startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";

afterAll(stopGateways);

it("serves models of kind simulator from its own process", async () => {
  const gateway = await startGateway({
    yaml: `
providers: [{ id: sim, kind: simulator }]
models: [{ id: chat, targets: [{ provider: sim, model: sim-tokens-3 }] }]
`,
  });
  const client = new TestClient(gateway.port);
  const response = await client.unary(InferenceService.method.complete, {
    model: "chat",
    messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "Hello" } } }] }],
  });
  expect(response.usage?.outputTokens).toBe(3);
  expect(response.attempts[0]?.provider).toBe("simulator");
  expect(response.cost?.totalNanoUsd).toBeGreaterThan(0n);
  client.close();
});
