// Identical denials within a minute become one record with their number, so that whoever knocks cannot fill the disk.

import type { AuditEvent } from "./audit-record.ts";
import type { AuditEntry } from "./audit-trail.ts";

const limits = { windowMs: 60_000, kindsMax: 256 } as const;

type Folding = { readonly entry: AuditEntry; readonly sinceMs: number; firstMs: number; lastMs: number; count: number };

export class DenialFold {
  /** Oldest first. */
  readonly #folding = new Map<string, Folding>();

  /** What is to be written now: the first of its kind is told at once, the others when the minute is over. */
  add(entry: AuditEntry, nowMs: number): AuditEvent | undefined {
    const id = identityOf(entry);
    const known = this.#folding.get(id);
    if (known === undefined && this.#folding.size >= limits.kindsMax) return this.#addToRest(entry, nowMs);
    return this.#count(id, known, entry, nowMs);
  }

  /** Counts of windows that are over; with `all` of every window. */
  takeDue(nowMs: number, all = false): readonly AuditEvent[] {
    const due: AuditEvent[] = [];
    for (const [id, { entry, sinceMs, firstMs, lastMs, count }] of this.#folding) {
      if (!all && nowMs < sinceMs + limits.windowMs) continue;
      this.#folding.delete(id);
      if (count > 0) due.push({ entry, timeMs: lastMs, firstMs, count });
    }
    return due;
  }

  /** Too many kinds at once: told by kind alone. */
  #addToRest({ kind, reason }: AuditEntry, nowMs: number): AuditEvent | undefined {
    const entry: AuditEntry = { kind, caller: undefined, resource: "", reason };
    const id = `rest ${kind} ${reason}`;
    return this.#count(id, this.#folding.get(id), entry, nowMs);
  }

  #count(id: string, known: Folding | undefined, entry: AuditEntry, nowMs: number): AuditEvent | undefined {
    if (known === undefined) {
      this.#folding.set(id, { entry, sinceMs: nowMs, firstMs: nowMs, lastMs: nowMs, count: 0 });
      return { entry, timeMs: nowMs, firstMs: nowMs, count: 1 };
    }
    if (known.count === 0) known.firstMs = nowMs;
    known.count++;
    known.lastMs = nowMs;
    return undefined;
  }
}

function identityOf({ kind, caller, resource, reason }: AuditEntry): string {
  return JSON.stringify([kind, caller?.projectId, caller?.keyId, caller?.service, resource, reason]);
}
