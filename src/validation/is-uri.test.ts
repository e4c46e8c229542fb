import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MediaSchema } from "../contract.ts";
import { isUri } from "./is-uri.ts";

const validator = createValidator();

function referenceIsUri(uri: string): boolean {
  return validator.validate(MediaSchema, create(MediaSchema, { source: { case: "uri", value: uri } })).kind === "valid";
}

const pieces = fc.constantFrom(
  ..."http https : // / ? # [ ] @ %20 %2 %zz %C3%A9 %C3 ::1 1.2.3.4 256.1.1.1 example.com 443 v1.a:b fe80::1%25eth0 data image/png;base64,AA== a 1 - ~ é | \\ ^ gs s3 user:pass".split(
    " ",
  ),
);

describe("isUri", () => {
  it.each([
    "https://example.com/a.png",
    "gs://bucket/object",
    "data:image/png;base64,iVBORw0KGgo=",
    "http://[::1]:8080/x",
    "http://[fe80::1%25eth0]/",
    "urn:isbn:0",
  ])("takes %s", (uri) => {
    expect(isUri(uri)).toBe(true);
  });

  it.each(["", "example.com/a", "http://exa mple.com", "http://[::1", "https://example.com/%zz", "1a:b", "//a"])(
    "refuses %j",
    (uri) => {
      expect(isUri(uri)).toBe(false);
    },
  );

  it("agrees with protovalidate", () => {
    const text = fc.oneof(
      fc.array(pieces, { maxLength: 7 }).map((parts) => parts.join("")),
      fc.array(pieces, { maxLength: 6 }).map((parts) => `http://${parts.join("")}`),
    );
    fc.assert(
      fc.property(text, (uri) => {
        expect(isUri(uri)).toBe(referenceIsUri(uri));
      }),
      { numRuns: 3000 },
    );
  });

  it("reads a data URI of many megabytes", () => {
    const message = create(MediaSchema, {
      source: { case: "uri", value: `data:image/png;base64,${"A".repeat(8 << 20)}` },
    });
    const decoded = fromBinary(MediaSchema, toBinary(MediaSchema, message));
    expect(isUri(String(decoded.source.value))).toBe(true);
  });
});
