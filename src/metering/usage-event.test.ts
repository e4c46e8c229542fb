import { create, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { Operation, Outcome, UsageEventSchema, UsageSchema } from "../contract.ts";
import { createUsageEvent, toDuration, toTimestamp, type UsageEventFacts } from "./usage-event.ts";

const facts: UsageEventFacts = {
  eventId: "event-1",
  responseId: "response-1",
  requestId: "",
  operation: Operation.CHAT,
  streaming: true,
  caller: {
    organisationId: "acme",
    teamId: "platform",
    projectId: "search",
    keyId: "search-prod",
    service: "",
    roles: ["inference"],
    models: ["*"],
  },
  endUserId: "user-7",
  requestedModel: "support-chat",
  model: "support-chat",
  provider: "openai",
  outcome: Outcome.SUCCEEDED,
  statusCode: 0,
  usage: create(UsageSchema, { inputTokens: 3 }),
  cost: undefined,
  attempts: [],
  reservedNanoUsd: 12n,
  startedAtMs: 1_700_000_000_123,
  endedAtMs: 1_700_000_001_456,
  durationMs: 1_333.25,
  timeToFirstTokenMs: undefined,
  overheadMs: 0.5,
  traceId: "",
  spanId: "",
  conversationId: "",
  labels: { task: "summarise" },
};

it("is the message that comes back from the wire", () => {
  const event = createUsageEvent(facts);
  const back = fromBinary(UsageEventSchema, toBinary(UsageEventSchema, event));
  expect(equals(UsageEventSchema, event, back)).toBe(true);
  expect(back.principal).toMatchObject({ orgId: "acme", teamId: "platform", projectId: "search", endUserId: "user-7" });
  expect(back.duration).toMatchObject({ seconds: 1n, nanos: 333_250_000 });
  expect(back.timeToFirstToken).toBeUndefined();
});

it("has the fields of the contract, each of them", () => {
  const names = UsageEventSchema.fields.map((field) => field.localName).sort();
  const built = Object.keys(createUsageEvent(facts)).filter((name) => name !== "$typeName");
  expect(built.sort()).toEqual(names);
});

it("writes times without losing a millisecond", () => {
  expect(toTimestamp(1_700_000_000_123)).toMatchObject({ seconds: 1_700_000_000n, nanos: 123_000_000 });
  expect(toDuration(0)).toMatchObject({ seconds: 0n, nanos: 0 });
  expect(toDuration(999.999)).toMatchObject({ seconds: 0n, nanos: 999_999_000 });
});
