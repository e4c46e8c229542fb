import { describe, expect, it } from "vitest";
import { ErrorReason } from "../contract.ts";
import type { Caller } from "../domain/principal.ts";
import { CreateMemory } from "./create-memory.ts";

const caller: Caller = {
  organisationId: "",
  teamId: "",
  projectId: "search",
  keyId: "admin",
  service: "",
  roles: ["admin"],
  models: ["*"],
};
const other: Caller = { ...caller, projectId: "other" };
const minuteMs = 60_000;

function counting() {
  const memory = new CreateMemory<number>();
  let made = 0;
  const create = async () => ++made;
  const once = (who: Caller, id: string, payload = "p", nowMs = 0) => memory.once(who, id, payload, nowMs, create);
  return { memory, once };
}

describe("creations with a request id", () => {
  it("are made once while they are remembered, and again later", async () => {
    const { once } = counting();
    expect(await once(caller, "a")).toBe(1);
    expect(await once(caller, "a", "p", 9 * minuteMs)).toBe(1);
    expect(await once(caller, "a", "p", 11 * minuteMs)).toBe(2);
  });

  it("belong to who made them", async () => {
    const { once } = counting();
    expect(await once(caller, "a")).toBe(1);
    expect(await once(other, "a")).toBe(2);
  });

  it("are refused with another payload", async () => {
    const { once } = counting();
    await once(caller, "a", "one");
    expect(() => once(caller, "a", "two")).toThrow(expect.objectContaining({ reason: ErrorReason.REQUEST_ID_REUSED }));
  });

  it("can be tried again when they failed", async () => {
    const { memory, once } = counting();
    const failing = memory.once(caller, "a", "p", 0, () => Promise.reject(new Error("away")));
    await expect(failing).rejects.toThrow("away");
    expect(await once(caller, "a")).toBe(1);
  });

  it("forget the oldest when there are too many, and never more", async () => {
    const { once } = counting();
    for (let index = 0; index < 1_500; index++) await once(caller, `id-${index}`);
    expect(await once(caller, "id-1499")).toBe(1_500);
    expect(await once(caller, "id-0")).toBe(1_501);
  });
});

describe("creations without one", () => {
  it("are made each time", async () => {
    const { once } = counting();
    expect([await once(caller, ""), await once(caller, "")]).toEqual([1, 2]);
  });
});
