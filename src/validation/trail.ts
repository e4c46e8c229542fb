import type { FieldViolation } from "../domain/call-failure.ts";

/** A field name in the proto's spelling, a list position, or a map key as `MapKey`. */
export type Segment = string | number | MapKey;

export type MapKey = { readonly key: string };

/** More than these tell a caller nothing new, and a broken request of 4096 messages stays cheap to refuse. */
const violationsMax = 32;

/** Where the check of one message stands, and what it has found. The path becomes text only when something is wrong. */
export class Trail {
  readonly violations: FieldViolation[] = [];
  readonly #segments: Segment[] = [];

  enter(segment: Segment): void {
    this.#segments.push(segment);
  }

  leave(): void {
    this.#segments.pop();
  }

  report(description: string): void {
    if (this.violations.length < violationsMax) {
      this.violations.push({ field: pathOf(this.#segments), description });
    }
  }

  /** Reports the field named, one step below where the trail stands. */
  reportAt(segment: Segment, description: string): void {
    this.enter(segment);
    this.report(description);
    this.leave();
  }

  get isFull(): boolean {
    return this.violations.length >= violationsMax;
  }
}

/** E.g. `messages[3].parts[0].text` or `labels["team"]`. */
function pathOf(segments: readonly Segment[]): string {
  let path = "";
  for (const segment of segments) {
    if (typeof segment === "number") {
      path += `[${segment}]`;
    } else if (typeof segment === "object") {
      path += `[${segment.key}]`;
    } else {
      path += path === "" ? segment : `.${segment}`;
    }
  }
  return path;
}
