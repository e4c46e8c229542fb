import { describe, expect, it } from "vitest";
import { ReaderFloor } from "./reader-floor.ts";

describe("the floor of a reader", () => {
  it("waits for a reader that moves, however full the journal is", () => {
    const floor = new ReaderFloor();
    for (let round = 0; round < 100; round += 1)
      expect(floor.next(Math.floor(round / 5), true)).toBe(Math.floor(round / 5));
  });

  it("gives up on a reader that stands still while the journal is nearly full, and not while there is room", () => {
    const floor = new ReaderFloor();
    for (let round = 0; round < 100; round += 1) expect(floor.next(3, false)).toBe(3);
    for (let round = 0; round < 9; round += 1) expect(floor.next(3, true)).toBe(3);
    expect(floor.next(3, true)).toBe(Number.POSITIVE_INFINITY);
    expect(floor.next(4, true)).toBe(4);
  });
});
