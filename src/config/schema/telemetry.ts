import * as z from "zod";
import { defaults } from "../defaults.ts";
import { httpUrl } from "./scalars.ts";

/** `telemetry:` */
export const telemetrySection = z.strictObject({
  log: z
    .strictObject({
      level: z
        .enum(["trace", "debug", "info", "warn", "error", "silent"])
        .prefault("info")
        .describe("Least severe line that is written."),
      content: z
        .literal("off", { error: "must be off: content in logs is not available in this version" })
        .prefault("off")
        .describe("Prompts and outputs in the log: never."),
    })
    .prefault({})
    .describe("JSON lines on standard output."),
  traces: z
    .strictObject({
      otlp: httpUrl.describe("Address of an OTLP/HTTP collector; `/v1/traces` is appended."),
      sample: z
        .number({ error: "must be a fraction from 0 to 1" })
        .min(0, "must be a fraction from 0 to 1")
        .max(1, "must be a fraction from 0 to 1")
        .prefault(defaults.traceSample)
        .describe("Share of calls that begin a trace; a caller's own decision is kept."),
    })
    .optional()
    .describe("Where spans are sent. Absent: nowhere; trace context is carried either way."),
});
