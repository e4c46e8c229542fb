import { expect } from "vitest";
import type { Usage } from "../../src/contract.ts";
import type { StreamEvent } from "../../src/domain/stream-event.ts";

/** Positions are dense, every part ends once and last, and every delta is valid UTF-8 on its own (law 8). */
export function expectStreamLaws(events: readonly StreamEvent[]): void {
  const open = new Set<number>();
  let begun = 0;
  for (const event of events) {
    if (event.kind === "parts-reset") throw new Error("a reader never resets");
    if (event.kind === "part-start") {
      expect(event.index).toBe(begun++);
      open.add(event.index);
      continue;
    }
    expect(open.has(event.index), `${event.kind} for a part that is not open`).toBe(true);
    if (event.kind === "part-end") open.delete(event.index);
    expectWhole(event);
  }
  expect([...open], "parts left open").toEqual([]);
}

function expectWhole(event: StreamEvent): void {
  if (event.kind === "text-delta" || event.kind === "reasoning-delta") {
    expect(event.text.isWellFormed()).toBe(true);
    expect(event.text !== "" || (event.kind === "text-delta" && event.logprobs !== undefined)).toBe(true);
  }
  if (event.kind === "arguments-delta") expect(event.json.isWellFormed() && event.json !== "").toBe(true);
}

/** Parts are never larger than their whole (law 12). */
export function expectUsageLaws(usage: Usage | undefined): void {
  if (usage === undefined) return;
  const cached = (usage.cacheReadInputTokens ?? 0) + (usage.cacheWriteInputTokens ?? 0);
  if (usage.inputTokens !== undefined) expect(cached).toBeLessThanOrEqual(usage.inputTokens);
  if (usage.outputTokens !== undefined) {
    expect(usage.reasoningOutputTokens ?? 0).toBeLessThanOrEqual(usage.outputTokens);
  }
  const split = usage.cacheWrites.reduce((sum, write) => sum + write.inputTokens, 0);
  if (usage.cacheWrites.length > 0) expect(split).toBe(usage.cacheWriteInputTokens);
}
