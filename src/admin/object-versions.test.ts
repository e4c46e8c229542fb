import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ObjectChange } from "../state/objects/object-store.ts";
import { ObjectVersions } from "./object-versions.ts";

const change = fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }).map((kinds) =>
  kinds.map((isPut, index): ObjectChange => {
    const revision = index + 1;
    return isPut
      ? { kind: "put", object: { key: "a", value: `v${revision}`, revision } }
      : { kind: "deleted", key: "a", revision };
  }),
);

describe("versions of an object that are told twice and late", () => {
  it("end where the last change ended, in whatever order the changes came", () => {
    fc.assert(
      fc.property(
        change.chain((history) =>
          fc.tuple(
            fc.constant(history),
            fc.shuffledSubarray([...history, ...history], { minLength: history.length }).map((some) => [
              ...some,
              ...history, // Everything comes at last, as from the watch.
            ]),
          ),
        ),
        ([history, told]) => {
          const versions = new ObjectVersions();
          let value: string | undefined;
          for (const one of told) {
            if (versions.isNews(one)) value = one.kind === "put" ? one.object.value : undefined;
          }
          const last = history.at(-1);
          expect(value).toBe(last?.kind === "put" ? last.object.value : undefined);
        },
      ),
    );
  });
});
