// "Whom does it bind?": limits and budgets name a level and an id ("project/search"), or every id of a level, each with
// a state of its own ("end_user/*").
import type { Caller } from "../domain/principal.ts";

export const scopeLevels = ["organisation", "team", "project", "key", "end_user"] as const;
export type ScopeLevel = (typeof scopeLevels)[number];

export type ScopeIndex<Item> = {
  /** Items whose scope binds the caller, and the id of the state that they keep for it. */
  find(caller: Caller, endUserId: string): readonly Bound<Item>[];
  /** Whether any item looks at the end user: if not, what was found for a caller holds for all its calls. */
  readonly hasEndUsers: boolean;
};

export type Bound<Item> = {
  readonly item: Item;
  /** As violations name it, e.g. "project/search". */
  readonly subject: string;
  /** Unique for the subject over all tenants, e.g. "end_user/search/user-7". */
  readonly stateId: string;
};

/** Throws on a scope that is not `<level>/<id>` or `<level>/*`. */
export function createScopeIndex<Item extends { readonly scope: string }>(items: readonly Item[]): ScopeIndex<Item> {
  const byScope = new Map<string, Item[]>();
  for (const item of items) {
    const level = item.scope.slice(0, item.scope.indexOf("/"));
    const isKnown = scopeLevels.some((known) => known === level) && item.scope.length > level.length + 1;
    if (!isKnown) throw new Error(`"${item.scope}" is no scope: <level>/<id> is expected`);
    const same = byScope.get(item.scope) ?? [];
    same.push(item);
    byScope.set(item.scope, same);
  }
  return {
    hasEndUsers: items.some((item) => item.scope.startsWith("end_user/")),
    find(caller, endUserId) {
      return scopeLevels.flatMap((level) => {
        const id = idAt(level, caller, endUserId);
        if (id === "") return [];
        const subject = `${level}/${id}`;
        // End users are named by callers: two projects may use one name for two people.
        const stateId = level === "end_user" ? `${level}/${caller.projectId}/${id}` : subject;
        const found = [...(byScope.get(subject) ?? []), ...(id === "*" ? [] : (byScope.get(`${level}/*`) ?? []))];
        return found.map((item) => ({ item, subject, stateId }));
      });
    },
  };
}

function idAt(level: ScopeLevel, caller: Caller, endUserId: string): string {
  const ids: Record<ScopeLevel, string> = {
    organisation: caller.organisationId,
    team: caller.teamId,
    project: caller.projectId,
    key: caller.keyId,
    end_user: endUserId,
  };
  return ids[level];
}
