import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AttemptFailuresSchema,
  AttemptSchema,
  ErrorReason,
  RpcCode,
  rpcDetails,
  rpcStatus,
  StreamFailureSchema,
} from "../contract.ts";
import { CallFailure, type CallFailureFacts } from "../domain/call-failure.ts";
import { percentEncode } from "./grpc/grpc-reply.ts";
import { encodeStatus, toStatus } from "./status.ts";

function typesOf(facts: CallFailureFacts, reason: ErrorReason = ErrorReason.INVALID_REQUEST): readonly string[] {
  return toStatus(new CallFailure(reason, "no", facts)).details.map(({ desc }) => desc.name);
}

const long = fc.integer({ min: 0, max: 6000 }).map((length) => "💥".repeat(length));
const facts: fc.Arbitrary<CallFailureFacts> = fc.record(
  {
    metadata: fc.dictionary(fc.string(), long, { maxKeys: 20 }),
    violations: fc.array(fc.record({ field: long, description: long }), { maxLength: 40 }),
    quota: fc.array(fc.record({ subject: long, description: long }), { maxLength: 20 }),
    precondition: fc.record({ type: long, subject: long, description: long }),
    resource: fc.record({ type: long, name: long }),
    retryAfterMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
    attempts: fc.array(
      long.map((targetId) => create(AttemptSchema, { targetId })),
      { maxLength: 12 },
    ),
    streamFailure: long.map((responseId) => create(StreamFailureSchema, { responseId })),
  },
  { requiredKeys: [] },
);

describe("toStatus", () => {
  it("has a code and a name for every reason of the contract", () => {
    for (const [name, reason] of Object.entries(ErrorReason).filter(([key]) => key !== "UNSPECIFIED")) {
      const { code, details } = toStatus(new CallFailure(reason, "no"));
      expect(code).toBeGreaterThan(0);
      expect(details[0]?.value).toMatchObject({ reason: name, domain: "llmgateway" });
    }
  });

  it("keeps the details under 4 KiB whatever the failure holds, and always the reason", () => {
    fc.assert(
      fc.property(facts, long, (given, message) => {
        const status = toStatus(new CallFailure(ErrorReason.MODEL_NOT_FOUND, message, given));
        const packed = fromBinary(rpcStatus.StatusSchema, encodeStatus(status)).details;
        const bytes = packed.reduce((sum, any) => sum + any.value.length + any.typeUrl.length, 0);
        expect(bytes).toBeLessThan(4096);
        expect(status.details[0]?.desc.name).toBe("ErrorInfo");
        expect(status.retryPushbackMs >= 0).toBe(given.retryAfterMs !== undefined);
        expect(typesOf(given).includes("RetryInfo")).toBe(given.retryAfterMs !== undefined);
      }),
      { numRuns: 100 },
    );
  });

  it("gives up attempts first, oldest first, before it cuts what the caller needs most", () => {
    const attempts = Array.from({ length: 9 }, (_, index) =>
      create(AttemptSchema, { targetId: `${index}`.repeat(900) }),
    );
    const { details } = toStatus(new CallFailure(ErrorReason.PROVIDER_UNAVAILABLE, "no", { attempts }));
    const told = details.find(({ desc }) => desc === AttemptFailuresSchema);
    const kept = told === undefined ? undefined : toBinary(told.desc, told.value);
    expect(
      fromBinary(AttemptFailuresSchema, kept ?? new Uint8Array()).attempts.map(({ targetId }) => targetId[0]),
    ).toEqual(["5", "6", "7", "8"]);
  });

  it("makes the caller's own provider account the caller's to mend", () => {
    const precondition = { type: "PROVIDER_KEY", subject: "openai", description: "no credit left" };
    const codeOf = (given: CallFailureFacts) =>
      toStatus(new CallFailure(ErrorReason.PROVIDER_QUOTA_EXHAUSTED, "no", given)).code;
    expect([codeOf({}), codeOf({ precondition })]).toEqual([RpcCode.INTERNAL, RpcCode.FAILED_PRECONDITION]);
  });

  it("writes the delay of RetryInfo and of the pushback alike", () => {
    const status = toStatus(new CallFailure(ErrorReason.RATE_LIMITED, "no", { retryAfterMs: 1500.2 }));
    const retry = status.details.find(({ desc }) => desc === rpcDetails.RetryInfoSchema);
    expect(status.retryPushbackMs).toBe(1501);
    expect(retry?.value).toMatchObject({ retryDelay: { seconds: 1n, nanos: 501_000_000 } });
  });
});

describe("percentEncode", () => {
  it("is undone by percent-decoding, and leaves only printable ASCII", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const encoded = percentEncode(text);
        expect(encoded).toMatch(/^[ -~]*$/);
        expect(decodeURIComponent(encoded)).toBe(text);
      }),
    );
  });
});
