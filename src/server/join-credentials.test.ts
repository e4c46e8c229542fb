import { describe, expect, it } from "vitest";
import { joinCredentials } from "./join-credentials.ts";

function joined(...raw: readonly string[]): string | undefined {
  const headers = { authorization: raw[1] };
  joinCredentials(headers, raw);
  return headers.authorization;
}

describe("credentials of a request", () => {
  it("stay as they are when there is one", () => {
    expect(joined("authorization", "Bearer a", "x", "y")).toBe("Bearer a");
  });

  it("become one that no scheme allows when there are several, in whatever case they are spelled", () => {
    expect(joined("authorization", "Bearer a", "x", "y", "Authorization", "Bearer b")).toBe("Bearer a, Bearer b");
    expect(joined("authorization", "Bearer a", "AUTHORIZATION", "")).toBe("Bearer a, ");
  });
});
