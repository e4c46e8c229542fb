import { expect, it } from "vitest";
import { parseBaseUrl, pathBelow } from "./base-url.ts";

it.each([
  ["https://api.openai.com", "/v1/chat/completions", "https://api.openai.com/v1/chat/completions"],
  ["https://api.openai.com/", "/v1/chat/completions", "https://api.openai.com/v1/chat/completions"],
  ["http://127.0.0.1:8000/v1", "/v1/chat/completions", "http://127.0.0.1:8000/v1/chat/completions"],
  ["http://127.0.0.1:8000/v1/", "/v1/chat/completions", "http://127.0.0.1:8000/v1/chat/completions"],
  ["https://host/proxy", "/v1/messages", "https://host/proxy/v1/messages"],
  ["https://host/api/v4", "/v1/chat/completions", "https://host/api/v4/chat/completions"],
  ["https://host/v1beta", "/v1beta/models/x", "https://host/v1beta/models/x"],
  ["https://host/x?team=a", "/v1/messages?b=c", "https://host/x/v1/messages?b=c&team=a"],
])("appends the provider's path once: %s and %s", (base, own, expected) => {
  const parsed = parseBaseUrl(base);
  expect(parsed.origin + pathBelow(parsed, own)).toBe(expected);
});

it.each(["", "host/v1", "ftp://host", "https://user:secret@host", "https://host/#x"])(
  "refuses %j in one line",
  (text) => {
    expect(() => parseBaseUrl(text)).toThrow(/^base_url [^\n]+$/);
  },
);
