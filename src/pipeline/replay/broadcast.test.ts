import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { RecordingStream } from "../testing/recording-sinks.ts";
import { Broadcast } from "./broadcast.ts";

const charactersMax = 2_000;

function open(onCaughtUp: () => void = () => {}): Broadcast {
  const options = { charactersMax, onKept: () => true, onDeserted: () => {}, onEnd: () => {} };
  return new Broadcast({ ...options, onCaughtUp });
}

function say(broadcast: Broadcast, from: number, to: number, text = "x"): void {
  for (let sequence = from; sequence <= to; sequence += 1) {
    broadcast.push(sequence, { kind: "text-delta", index: 0, text });
  }
}

function sequencesOf(reader: RecordingStream): readonly number[] {
  return reader.events.map(({ sequence }) => sequence);
}

function upTo(last: number): readonly number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}

describe("several readers of one stream", () => {
  it("are not held up by one who joined and reads slowly", () => {
    const broadcast = open();
    const [first, slow] = [new RecordingStream(), new RecordingStream()];
    broadcast.attach(first, 0);
    broadcast.attach(slow, 0);
    slow.isFull = true;
    say(broadcast, 1, 1);
    expect(broadcast.flush()).toBe(true);
    say(broadcast, 2, 5);
    expect(broadcast.flush()).toBe(true);
    expect(sequencesOf(first)).toEqual(upTo(5));
    expect(sequencesOf(slow)).toEqual([1]);
    slow.isFull = false;
    expect(broadcast.drained(slow)).toBe(false); // The provider was not held up for it.
    expect(sequencesOf(slow)).toEqual(upTo(5));
  });

  it("are told when they fell further behind than what is kept, and the others are not", () => {
    const broadcast = open();
    const [first, slow] = [new RecordingStream(), new RecordingStream()];
    broadcast.attach(first, 0);
    broadcast.attach(slow, 0);
    slow.isFull = true;
    say(broadcast, 1, 1);
    broadcast.flush();
    say(broadcast, 2, 100, "x".repeat(100));
    expect(slow.failure?.reason).toBe(ErrorReason.CURSOR_EXPIRED);
    expect(broadcast.readers).toBe(1);
    broadcast.succeed();
    expect(sequencesOf(first)).toEqual(upTo(100));
    expect(first.ends).toEqual(["ok"]);
  });

  it("hold the provider up only when the one who was there first is full", () => {
    const caughtUp = vi.fn();
    const broadcast = open(caughtUp);
    const [first, second] = [new RecordingStream(), new RecordingStream()];
    broadcast.attach(first, 0);
    broadcast.attach(second, 0);
    first.isFull = true;
    say(broadcast, 1, 1);
    expect(broadcast.flush()).toBe(false);
    expect(broadcast.drained(second)).toBe(false);
    broadcast.detach(first); // Now the second is the leader, and it is not full.
    expect(caughtUp).toHaveBeenCalledTimes(1);
    second.isFull = true;
    say(broadcast, 2, 2);
    expect(broadcast.flush()).toBe(false);
    second.isFull = false;
    expect(broadcast.drained(second)).toBe(true);
  });

  it("hear of the end after the last event, however late they read it", () => {
    const broadcast = open();
    const [first, slow] = [new RecordingStream(), new RecordingStream()];
    broadcast.attach(first, 0);
    broadcast.attach(slow, 0);
    slow.isFull = true;
    say(broadcast, 1, 1);
    broadcast.flush();
    say(broadcast, 2, 3);
    const failure = new CallFailure(ErrorReason.STREAM_INTERRUPTED, "it broke");
    broadcast.fail(failure);
    expect([first.ends, slow.ends]).toEqual([[failure], []]);
    slow.isFull = false;
    broadcast.drained(slow);
    expect(sequencesOf(slow)).toEqual(upTo(3));
    expect(slow.ends).toEqual([failure]);
  });

  it("lose their place when the stream is forgotten while they still read it", () => {
    const broadcast = open();
    const slow = new RecordingStream();
    broadcast.attach(new RecordingStream(), 0);
    broadcast.attach(slow, 0);
    slow.isFull = true;
    say(broadcast, 1, 1);
    broadcast.flush();
    say(broadcast, 2, 3);
    broadcast.succeed();
    broadcast.forget();
    expect(slow.failure?.reason).toBe(ErrorReason.CURSOR_EXPIRED);
  });

  it("get what is kept in pieces that they take, and not all of it at once", () => {
    const options = { charactersMax: 1 << 20, onKept: () => true, onDeserted: () => {}, onCaughtUp: () => {} };
    const broadcast = new Broadcast({ ...options, onEnd: () => {} });
    broadcast.attach(new RecordingStream(), 0);
    say(broadcast, 1, 100, "x".repeat(8_000));
    const late = new RecordingStream();
    late.isFull = true;
    broadcast.attach(late, 0);
    expect(late.heard.length).toBeLessThan(12);
    late.isFull = false;
    broadcast.drained(late);
    expect(sequencesOf(late)).toEqual(upTo(100));
  });
});

type Step =
  | { readonly do: "say"; readonly length: number }
  | { readonly do: "attach"; readonly after: number }
  | { readonly do: "fill" | "drain" | "leave"; readonly which: number };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("say" as const), length: fc.nat(400) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("attach" as const), after: fc.nat(40) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom("fill" as const, "drain" as const, "leave" as const),
        which: fc.nat(9),
      }),
    },
  ),
  { maxLength: 60 },
);

type Attached = { readonly sink: RecordingStream; readonly after: number; hasLeft: boolean };

/** A stream with readers who come, stop, go on and leave; the one who came first always stays, and never stops. */
class Life {
  readonly broadcast = open();
  readonly leader: Attached = this.#attach(0);
  readonly readers: Attached[] = [];
  sequence = 0;

  take(step: Step): void {
    if (step.do === "say") this.#say(step.length);
    else if (step.do === "attach") this.#attachFrom(step.after);
    else this.#change(step.do, this.readers[step.which]);
  }

  #say(length: number): void {
    this.sequence += 1;
    say(this.broadcast, this.sequence, this.sequence, "x".repeat(length));
    expect(this.broadcast.flush()).toBe(true);
  }

  #attachFrom(after: number): void {
    if (this.broadcast.reaches(after)) this.readers.push(this.#attach(after));
  }

  #attach(after: number): Attached {
    const sink = new RecordingStream();
    this.broadcast.attach(sink, after);
    return { sink, after, hasLeft: false };
  }

  #change(what: "fill" | "drain" | "leave", reader: Attached | undefined): void {
    if (reader === undefined || reader.hasLeft || reader.sink.ends.length > 0) return;
    reader.sink.isFull = what === "fill";
    if (what === "drain") this.broadcast.drained(reader.sink);
    if (what !== "leave") return;
    reader.hasLeft = true;
    this.broadcast.detach(reader.sink);
  }

  end(): void {
    this.broadcast.succeed();
    for (const reader of this.readers) this.#change("drain", reader);
  }
}

describe("a stream with readers who come, stop, go on and leave", () => {
  it("gives each its events in order without a gap, and one end", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const life = new Life();
        for (const step of script) {
          life.take(step);
          expect(life.broadcast.characters).toBeLessThanOrEqual(charactersMax);
        }
        life.end();
        expect(sequencesOf(life.leader.sink)).toEqual(upTo(life.sequence));
        for (const { sink, after, hasLeft } of life.readers) {
          const heard = sequencesOf(sink);
          expect(heard).toEqual(upTo(after + heard.length).slice(after));
          if (hasLeft) expect(sink.ends).toEqual([]);
          else if (sink.failure === undefined)
            expect([heard.length, sink.ends]).toEqual([life.sequence - after, ["ok"]]);
          else expect(sink.failure.reason).toBe(ErrorReason.CURSOR_EXPIRED);
        }
      }),
    );
  });
});
