import fc from "fast-check";
import { expect, test } from "vitest";
import type { Credential } from "../../domain/credential.ts";
import type { HttpRequest } from "../../domain/http.ts";
import { simulatedAwsKeys, verifySignature } from "../../simulator/bedrock/verify-signature.ts";
import { authorise } from "./authorise.ts";

const nowMs = Date.UTC(2026, 10, 24, 12, 0, 0);
const keys: Credential = { kind: "aws", ...simulatedAwsKeys };

function toRequest(path: string, body = "{}"): HttpRequest {
  const headers = { "content-type": "application/json" };
  return { method: "POST", origin: "https://bedrock-runtime.us-east-1.amazonaws.com", path, headers, body };
}

/** What the service would say, which sees the host header too. */
function check({ method, origin, path, headers, body }: HttpRequest) {
  const seen = { ...headers, host: new URL(origin).host };
  return verifySignature({ method, url: path, headers: seen, body: Buffer.from(body) });
}

test("any model, path and body is signed as the service checks it", async () => {
  const segment = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => text !== "." && text !== "..");
  await fc.assert(
    fc.asyncProperty(segment, fc.constantFrom("", "/proxy", "/a%20b"), fc.string(), async (model, base, body) => {
      const path = `${base}/model/${encodeURIComponent(model.toWellFormed())}/converse`;
      const signed = await authorise(toRequest(path, body.toWellFormed()), keys, "us-east-1", nowMs);
      expect(check(signed)).toBeUndefined();
    }),
    { numRuns: 60 },
  );
});

test("a query is signed and stays in the address", async () => {
  const signed = await authorise(toRequest("/model/m/converse?tenant=a&region=b"), keys, "us-east-1", nowMs);
  expect(signed.path).toBe("/model/m/converse?tenant=a&region=b");
  expect(check(signed)).toBeUndefined();
});

test("a changed body or another secret no longer fits", async () => {
  const signed = await authorise(toRequest("/model/m/converse"), keys, "us-east-1", nowMs);
  expect(check({ ...signed, body: '{"a":1}' })?.status).toBe(403);
  const other = { ...keys, secretAccessKey: "another" };
  expect(check(await authorise(toRequest("/model/m/converse"), other, "us-east-1", nowMs))?.status).toBe(403);
});

test("the time is the caller's: equal times give equal signatures", async () => {
  const [first, second, later] = await Promise.all([
    authorise(toRequest("/model/m/converse"), keys, "us-east-1", nowMs),
    authorise(toRequest("/model/m/converse"), keys, "us-east-1", nowMs),
    authorise(toRequest("/model/m/converse"), keys, "us-east-1", nowMs + 1000),
  ]);
  expect(first.headers).toEqual(second.headers);
  expect(first.headers["x-amz-date"]).toBe("20261124T120000Z");
  expect(later.headers["authorization"]).not.toBe(first.headers["authorization"]);
});

test("a session's token is sent and signed", async () => {
  const session: Credential = { ...keys, sessionToken: "token" };
  const signed = await authorise(toRequest("/model/m/converse"), session, "us-east-1", nowMs);
  expect(signed.headers["x-amz-security-token"]).toBe("token");
  expect(signed.headers["authorization"]).toContain("x-amz-security-token");
  expect(check(signed)).toBeUndefined();
});

test("an API key is a bearer token, and no credential leaves the request as it is", async () => {
  const request = toRequest("/model/m/converse");
  const bearer = await authorise(request, { kind: "api-key", value: "k" }, "us-east-1", nowMs);
  expect(bearer.headers["authorization"]).toBe("Bearer k");
  expect(await authorise(request, { kind: "none" }, "us-east-1", nowMs)).toBe(request);
});

test("a token of another kind of provider is refused", () => {
  expect(() => authorise(toRequest("/"), { kind: "access-token", value: "t" }, "us-east-1", nowMs)).toThrow(
    "AWS credentials",
  );
});
