// Sections that the format has and this version has not: they load in their "off" form and are refused in any other, so
// that nobody believes in a guardrail that does not run.
import * as z from "zod";
import { defaults, limits } from "../defaults.ts";
import { duration } from "./scalars.ts";

const rule = "is not available in this version";

/** `guardrails:` */
export const guardrailsSection = z
  .array(z.unknown(), { error: `${rule}; write an empty list or leave it out` })
  .max(0, `${rule}; write an empty list or leave it out`);

/** `prompts:` */
export const promptsSection = z.strictObject({}, { error: `${rule}; leave it out` });

/** `cache:` */
export const cacheSection = z.strictObject({
  mode: z
    .literal("off", { error: `must be off: a response cache ${rule}` })
    .prefault("off")
    .describe("Only `off` in this version."),
  ttl: duration({ minMs: 1, maxMs: limits.retainMsMax })
    .prefault(defaults.cacheTtl)
    .describe("Has no effect while the cache is off."),
});
