import * as z from "zod";
import { defaults, limits } from "../defaults.ts";
import { duration, modelName, name, text, whole } from "./scalars.ts";

const flag = () => z.boolean({ error: "must be true or false" }).optional();
const modality = z.enum(["text", "image", "audio", "video", "document"]);

const operation = z.enum(["chat", "embed", "rerank", "moderate", "generate_images", "speech", "transcribe"]);

const target = z.strictObject({
  id: text.optional().describe("Name in attempts and events. Absent: `<provider>/<model>`."),
  provider: name.describe("Id of an entry of `providers`."),
  model: text.describe("Model name that is sent to the provider."),
  weight: whole(0, limits.weightMax).prefault(1).describe("Share under the weighted strategy."),
  region: z.string({ error: "must be text" }).prefault("").describe("Where the provider computes, e.g. `eu`."),
  zero_data_retention: z
    .boolean({ error: "must be true or false" })
    .prefault(false)
    .describe("The provider keeps nothing of a call under your contract with it."),
  max_concurrent_requests: whole(1, limits.connectionsMax)
    .optional()
    .describe("Most calls in flight at this target. Absent: no limit."),
  facts: z
    .strictObject({
      context_window: whole(1, 1_000_000_000).optional().describe("Tokens of input and output together."),
      max_output_tokens: whole(1, 1_000_000_000).optional().describe("Most tokens of output."),
      input_modalities: z.array(modality).optional().describe("What the model takes."),
      output_modalities: z.array(modality).optional().describe("What the model makes."),
      reasoning: flag().describe("Whether the model reasons."),
      tools: flag().describe("Whether the model calls tools."),
      json_schema: flag().describe("Whether the model keeps to a JSON Schema."),
      operations: z.array(operation).optional().describe("What the model is for. Absent and not known: chat."),
    })
    .prefault({})
    .describe("What is known of the model, where the catalogue is wrong or silent."),
});

/** One entry of `models:`. */
export const modelEntry = z.strictObject({
  id: modelName.describe("What callers name."),
  strategy: z
    .enum(["priority", "weighted", "cost", "latency", "throughput", "least_busy"])
    .prefault("priority")
    .describe("Order in which targets are tried."),
  targets: z
    .array(target)
    .min(1, "must have at least one target")
    .max(limits.targetsMax, `must have at most ${limits.targetsMax} targets`)
    .describe("Where the model is served."),
  retry: z
    .strictObject({
      max_attempts: whole(1, limits.maxAttemptsMax)
        .prefault(defaults.maxAttempts)
        .describe("Most attempts of one call, over all targets."),
      hedge_delay: duration({ minMs: 0, maxMs: limits.timeoutMsMax })
        .optional()
        .describe(
          "Silence after which a second attempt starts beside the first. 0s: after what 95 % of recent calls to the target took. Absent: never.",
        ),
    })
    .prefault({})
    .describe("How often is tried."),
  fallback_models: z
    .array(modelName)
    .max(limits.fallbackModelsMax, `must have at most ${limits.fallbackModelsMax} models`)
    .prefault([])
    .describe("Models that are tried, in this order, when every target failed."),
});

/** One entry of `rules:`. */
export const ruleEntry = z.strictObject({
  id: name.describe("Name in events."),
  when: text.describe("CEL over `request`, `caller`, `labels` and `now`."),
  model: modelName.optional().describe("Model that is used instead of the named one."),
  deny: z
    .literal(true, { error: "must be true" })
    .optional()
    .describe("Refuses the call with PERMISSION_DENIED, also when the condition cannot be evaluated."),
});
