// Who is alive, as one record that every instance changes by compare-and-set. Pure: the engine only reads and writes it.
// An instance that comes gets no share until every other one has written that it makes room for it; one that goes is left
// out after a silence in which it has stopped using its share by itself.
import type { Crowded } from "../domain/presence.ts";

export type Member = {
  readonly id: string;
  /** Another with each sign of life. */
  readonly beat: number;
  /** Epoch in which it came. */
  readonly joined: number;
  /** It keeps to its share among the members of this epoch, but for what is `crowded`. */
  readonly acked: number;
  /** Gates where calls from before still hold more than its share. */
  readonly crowded: readonly Crowded[];
};

export type Roster = {
  /** Rises when a member comes or goes. */
  readonly epoch: number;
  /** In the order of their ids. */
  readonly members: readonly Member[];
};

export const emptyRoster: Roster = { epoch: 0, members: [] };

const limits = { membersMax: 64, crowdedMax: 32 } as const;

/** The part of one of several, by its place among them: together they are the total, and more members never enlarge one. */
export function partOf(total: number, place: number, count: number): number {
  return Math.max(0, Math.ceil((total - place) / count));
}

/** Throws when there is no room for another instance. */
export function withMember(roster: Roster, id: string, dead: ReadonlySet<string>): Roster {
  const alive = roster.members.filter((member) => member.id === id || !dead.has(member.id));
  const isNew = !alive.some((member) => member.id === id);
  if (!isNew && alive.length === roster.members.length) return roster;
  if (isNew && alive.length >= limits.membersMax) throw new Error(`more than ${limits.membersMax} instances are alive`);
  const epoch = roster.epoch + 1;
  const own: Member = { id, beat: 0, joined: epoch, acked: 0, crowded: [] };
  const members = (isNew ? [...alive, own] : alive).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return { epoch, members };
}

export function withoutMember(roster: Roster, id: string): Roster {
  const members = roster.members.filter((member) => member.id !== id);
  return members.length === roster.members.length ? roster : { epoch: roster.epoch + 1, members };
}

/** The member lives, and keeps to its share from now on, but for these gates; of too many it says nothing yet. */
export function withBeat(roster: Roster, id: string, crowded: readonly Crowded[]): Roster {
  const members = roster.members.map((member) => {
    if (member.id !== id) return member;
    const isTold = crowded.length <= limits.crowdedMax;
    const told = isTold ? { acked: roster.epoch, crowded } : {};
    return { ...member, beat: member.beat + 1, ...told };
  });
  return { epoch: roster.epoch, members };
}

/** Its part of the slots of a gate; 0: it is not a member, or somebody has not made room for it yet. */
export function shareIn({ members }: Roster, id: string, total: number, gate: string): number {
  const place = members.findIndex((member) => member.id === id);
  const own = members[place];
  if (own === undefined) return 0;
  let excess = 0;
  for (const [otherPlace, other] of members.entries()) {
    if (other === own) continue;
    if (other.acked < own.joined) return 0;
    const inUse = other.crowded.find((one) => one.gate === gate)?.inUse ?? 0;
    excess += Math.max(0, inUse - partOf(total, otherPlace, members.length));
  }
  return Math.max(0, partOf(total, place, members.length) - excess);
}

export function formatRoster(roster: Roster): string {
  return JSON.stringify(roster);
}

/** Throws on a text that `formatRoster` did not write. */
export function parseRoster(text: string): Roster {
  const json: unknown = JSON.parse(text);
  if (!isRecord(json) || !isCount(json["epoch"]) || !Array.isArray(json["members"])) throw unreadable();
  const rows: readonly unknown[] = json["members"];
  return { epoch: json["epoch"], members: rows.map(parseMember) };
}

function parseMember(row: unknown): Member {
  if (!isRecord(row)) throw unreadable();
  const { id, beat, joined, acked, crowded } = row;
  if (typeof id !== "string" || !isCount(beat) || !isCount(joined) || !isCount(acked)) throw unreadable();
  if (!Array.isArray(crowded)) throw unreadable();
  const rows: readonly unknown[] = crowded;
  return { id, beat, joined, acked, crowded: rows.map(parseCrowded) };
}

function parseCrowded(row: unknown): Crowded {
  if (!isRecord(row) || typeof row["gate"] !== "string" || !isCount(row["inUse"])) throw unreadable();
  return { gate: row["gate"], inUse: row["inUse"] };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function unreadable(): Error {
  return new Error("the roster of instances cannot be read");
}
