// Instances that come, go, are killed or cut off, in any order, with calls in flight: what is in flight at those that count
// is never more than the limit, and once all have spoken, all of it can be used.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  emptyRoster,
  formatRoster,
  parseRoster,
  partOf,
  type Roster,
  shareIn,
  withBeat,
  withMember,
  withoutMember,
} from "./roster.ts";

const gate = "g";

/** One instance, as the engine drives it. */
class Instance {
  readonly id: string;
  view: Roster = emptyRoster;
  inUse = 0;
  isCutOff = false;

  constructor(id: string) {
    this.id = id;
  }

  share(total: number): number {
    return this.isCutOff ? 0 : shareIn(this.view, this.id, total, gate);
  }
}

class World {
  record = formatRoster(emptyRoster);
  instances: Instance[] = [];
  lives = 0;
  readonly total: number;

  constructor(total: number) {
    this.total = total;
  }

  at(index: number): Instance | undefined {
    return this.instances[index % Math.max(1, this.instances.length)];
  }

  beat(instance: Instance): void {
    if (instance.isCutOff) return;
    const gone = new Set(this.instances.filter((one) => one.isCutOff).map(({ id }) => id));
    const before = parseRoster(this.record);
    for (const { id } of before.members) if (!this.instances.some((one) => one.id === id)) gone.add(id);
    const next = withMember(before, instance.id, gone);
    const place = next.members.findIndex(({ id }) => id === instance.id);
    const isCrowded = instance.inUse > partOf(this.total, place, next.members.length);
    instance.view = withBeat(next, instance.id, isCrowded ? [{ gate, inUse: instance.inUse }] : []);
    this.record = formatRoster(instance.view);
  }

  run(step: Step): void {
    const instance = this.at(step.index);
    if (step.kind === "come") {
      if (this.instances.length < 6) this.instances.push(new Instance(`${step.index}-${this.lives++}`));
      return;
    }
    if (instance === undefined) return;
    switch (step.kind) {
      case "beat":
        this.beat(instance);
        return;
      case "call":
        if (instance.inUse < instance.share(this.total)) instance.inUse += 1;
        return;
      case "end":
        instance.inUse = Math.max(0, instance.inUse - 1);
        return;
      case "leave":
        this.instances = this.instances.filter((one) => one !== instance);
        this.record = formatRoster(withoutMember(parseRoster(this.record), instance.id));
        return;
      case "kill": // Its calls end with it.
        this.instances = this.instances.filter((one) => one !== instance);
        return;
      case "cut-off":
        instance.isCutOff = true;
        return;
    }
  }

  /** Every call is over, and who can speak has spoken. */
  rest(): void {
    this.instances = this.instances.filter(({ isCutOff }) => !isCutOff);
    for (const instance of this.instances) instance.inUse = 0;
    for (let round = 0; round < 3; round++) for (const instance of this.instances) this.beat(instance);
  }

  get shares(): number {
    return this.instances.reduce((sum, instance) => sum + instance.share(this.total), 0);
  }

  /** What is in flight at an instance that was cut off, and then left out by the others, is not counted any more. */
  get inFlight(): number {
    const members = parseRoster(this.record).members.map(({ id }) => id);
    return this.instances
      .filter(({ id, isCutOff }) => !isCutOff || members.includes(id))
      .reduce((sum, { inUse }) => sum + inUse, 0);
  }
}

type Step = {
  readonly kind: "come" | "beat" | "call" | "end" | "leave" | "kill" | "cut-off";
  readonly index: number;
};

const kinds = fc.oneof(
  { weight: 12, arbitrary: fc.constant("call" as const) },
  { weight: 10, arbitrary: fc.constant("beat" as const) },
  { weight: 5, arbitrary: fc.constant("end" as const) },
  { weight: 2, arbitrary: fc.constant("come" as const) },
  { weight: 1, arbitrary: fc.constantFrom("leave" as const, "kill" as const, "cut-off" as const) },
);
const steps = fc.array(fc.record({ kind: kinds, index: fc.nat({ max: 20 }) }), { maxLength: 250, size: "max" });

describe("the shares of instances", () => {
  it("are together never more than the limit, whoever comes, goes or is cut off", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), steps, (total, script) => {
        const world = new World(total);
        for (const step of script) {
          world.run(step);
          expect(world.inFlight).toBeLessThanOrEqual(total);
        }
        if (world.instances.every(({ isCutOff }) => isCutOff)) return;
        world.rest();
        expect(world.shares).toBe(total);
      }),
      { numRuns: 400 },
    );
  });

  it("are parts of the whole that no further member enlarges", () => {
    fc.assert(
      fc.property(fc.nat({ max: 1_000 }), fc.integer({ min: 1, max: 64 }), (total, count) => {
        const parts = Array.from({ length: count }, (_, place) => partOf(total, place, count));
        expect(parts.reduce((sum, part) => sum + part, 0)).toBe(total);
        for (const [place, part] of parts.entries()) {
          expect(partOf(total, place, count + 1)).toBeLessThanOrEqual(part);
          expect(partOf(total, place + 1, count + 1)).toBeLessThanOrEqual(part);
        }
      }),
    );
  });

  it("let one that comes begin with what long calls of another leave it", () => {
    const world = new World(10);
    const [first, second] = [new Instance("a"), new Instance("b")];
    world.instances = [first, second];
    world.beat(first);
    first.inUse = 8;
    world.beat(second);
    expect(second.share(10)).toBe(0);
    world.beat(first);
    world.beat(second);
    expect(second.share(10)).toBe(2);
    first.inUse = 5;
    world.beat(first);
    world.beat(second);
    expect(second.share(10)).toBe(5);
  });
});

describe("the record", () => {
  it("has room for so many instances and no more", () => {
    let roster = emptyRoster;
    for (let life = 0; life < 64; life++) roster = withMember(roster, `life-${life}`, new Set());
    expect(() => withMember(roster, "one too many", new Set())).toThrow("more than 64 instances");
    expect(withMember(roster, "in place of one", new Set(["life-3"])).members).toHaveLength(64);
  });

  it("says nothing of a member with too many crowded gates, so that nobody counts on it", () => {
    const crowded = Array.from({ length: 33 }, (_, index) => ({ gate: `${index}`, inUse: 1 }));
    const roster = withBeat(withMember(emptyRoster, "a", new Set()), "a", crowded);
    expect(roster.members[0]).toMatchObject({ acked: 0, crowded: [] });
    expect(shareIn(withMember(roster, "b", new Set()), "b", 10, gate)).toBe(0);
  });

  it.each(["", "{}", "null", '{"epoch":-1,"members":[]}', '{"epoch":1,"members":[{"id":"a"}]}'])(
    "is refused when it is %j: one that cannot be read must not look empty",
    (text) => {
      expect(() => parseRoster(text)).toThrow();
    },
  );
});
