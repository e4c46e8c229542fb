import { readFileSync } from "node:fs";

/** Version of the package. */
export const version: string = versionOf(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

function versionOf(text: string): string {
  const parsed = JSON.parse(text) as { version?: string };
  return parsed.version ?? "0.0.0";
}
