import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { CompleteRequestSchema, Role } from "../../contract.ts";
import type { Provider } from "../provider.ts";
import { createVertexProvider } from "../vertex/index.ts";
import { createGeminiProvider } from "./index.ts";

const providers: readonly (readonly [string, Provider])[] = [
  ["Gemini", createGeminiProvider({ id: "g", kind: "gemini" })],
  ["Vertex AI", createVertexProvider({ id: "v", kind: "vertex", project: "p" })],
];

const request = create(CompleteRequestSchema, {
  messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "Hi." } } }] }],
});

describe.each(providers)("the time that the caller's deadline leaves, at %s", (_name, { chat }) => {
  const headersOf = (timeoutMs: number | undefined) => {
    const made = chat?.toHttpRequest(request, "stream", { model: "gemini-x", facts: {}, timeoutMs });
    return made?.kind === "request" ? made.request.headers : undefined;
  };

  it("is told in whole seconds, rounded up", () => {
    expect(headersOf(2_300)?.["x-server-timeout"]).toBe("3");
  });

  it("is not told when there is none", () => {
    expect(Object.keys(headersOf(undefined) ?? {})).toEqual(["content-type"]);
  });
});
