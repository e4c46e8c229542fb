import { readFileSync } from "node:fs";
import { parsePriceOverrides } from "../../catalogue/parse-price-overrides.ts";
import type { Config } from "../../config/config.ts";

/** The prices of the file that the config names; none without one. Throws an `Error` of one line when it cannot be read. */
export function readPriceOverrides({ prices }: Config): ReturnType<typeof parsePriceOverrides> {
  const { overridesFile } = prices;
  return overridesFile === undefined ? [] : parsePriceOverrides(readFileSync(overridesFile, "utf8"), overridesFile);
}
