import { create, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { AttemptOutcome, CacheStatus, Operation, Outcome, UsageEventSchema } from "../../contract.ts";
import { readEvent } from "./read-event.ts";

const count = fc.integer({ min: 0, max: 2_000_000_000 });
const nanoUsd = fc.bigInt({ min: 0n, max: 9_000_000_000_000_000_000n });

it("reads what protobuf-es wrote, whatever else stands in the event", () => {
  fc.assert(
    fc.property(
      fc.record({
        eventId: fc.string(),
        correctsEventId: fc.string(),
        workflowRunId: fc.string(),
        model: fc.string(),
        provider: fc.string(),
        operation: fc.constantFrom(...Object.values(Operation)),
        outcome: fc.constantFrom(...Object.values(Outcome)),
        responseCacheStatus: fc.constantFrom(...Object.values(CacheStatus)),
        savedNanoUsd: nanoUsd,
        labels: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string()),
        principal: fc.record({
          projectId: fc.string(),
          keyId: fc.string(),
          teamId: fc.string(),
          orgId: fc.string(),
          endUserId: fc.string(),
        }),
        usage: fc.record({
          inputTokens: count,
          outputTokens: count,
          cacheReadInputTokens: count,
          cacheWriteInputTokens: count,
          reasoningOutputTokens: count,
        }),
        cost: fc.record({
          totalNanoUsd: nanoUsd,
          priceListVersion: fc.string(),
          reportedNanoUsd: nanoUsd,
          comparedNanoUsd: nanoUsd,
        }),
      }),
      fc.integer({ min: 0, max: 4_000_000_000_000 }),
      fc.integer({ min: 0, max: 1_000_000 }),
      (fields, timeMs, durationMs) => {
        const event = create(UsageEventSchema, {
          ...fields,
          eventTime: timestampFromMs(timeMs),
          duration: durationFromMs(durationMs),
          attempts: [{ number: 1, outcome: AttemptOutcome.SERVED, provider: "x", usage: fields.usage }],
          gatewayInstance: "here",
        });
        const { principal, usage } = fields;
        expect(readEvent(toBinary(UsageEventSchema, event))).toEqual({
          eventId: fields.eventId,
          correctsEventId: fields.correctsEventId,
          timeMs,
          workflowRun: fields.workflowRunId,
          project: principal.projectId,
          key: principal.keyId,
          team: principal.teamId,
          organisation: principal.orgId,
          endUser: principal.endUserId,
          operation: fields.operation,
          model: fields.model,
          provider: fields.provider,
          outcome: fields.outcome,
          cacheStatus: fields.responseCacheStatus,
          labels: expect.arrayContaining(Object.entries(fields.labels)),
          inputTokens: usage.inputTokens,
          outputTokens: usage.outputTokens,
          cacheReadTokens: usage.cacheReadInputTokens,
          cacheWriteTokens: usage.cacheWriteInputTokens,
          reasoningTokens: usage.reasoningOutputTokens,
          costNanoUsd: fields.cost.totalNanoUsd,
          savedNanoUsd: fields.savedNanoUsd,
          reportedNanoUsd: fields.cost.reportedNanoUsd,
          comparedNanoUsd: fields.cost.comparedNanoUsd,
          durationMs,
        });
      },
    ),
  );
});
