import { randomFillSync } from "node:crypto";
import type { Config } from "../../config/config.ts";
import { createTraceExporter, type TraceExporter } from "../../telemetry/otlp-traces.ts";
import { createTextFetcher, toRequest } from "../../upstream/fetch-text.ts";
import { version } from "../version.ts";

/** `undefined`: the config names no collector. */
export function openTraces(config: Config, instance: string): TraceExporter | undefined {
  const { traces } = config.telemetry;
  if (traces === undefined) return undefined;
  const fetcher = createTextFetcher();
  const url = `${traces.otlp.replace(/\/+$/, "")}/v1/traces`;
  return createTraceExporter({
    sample: traces.sample,
    instance,
    serviceVersion: version,
    random: randomFillSync,
    post: async (body) => {
      const request = toRequest(url, { method: "POST", headers: { "content-type": "application/json" }, body });
      const { status } = await fetcher.fetchText(request);
      if (status < 200 || status >= 300) throw new Error(`the collector answered ${status}`);
    },
  });
}
