// Keys of the configuration for tests of administration: one administrator a project, and one of the platform.
import { hash } from "node:crypto";
import { testSecret } from "./gateway-process.ts";

export const adminSecret = "test-admin-of-search";
export const otherAdminSecret = "test-admin-of-other";
export const platformSecret = "test-platform";

/** The `keys:` section; the usual key of project "search" is there too. */
export function keysFor(): string {
  const line = (id: string, project: string, roles: string, secret: string) =>
    `  - { id: ${id}, project: ${project}, digest: "sha256:${hash("sha256", secret, "hex")}", roles: [${roles}], models: ["*"] }`;
  return [
    "keys:",
    line("test", "search", "inference, usage", testSecret),
    line("search-admin", "search", "inference, usage, admin", adminSecret),
    line("other-admin", "other", "inference, usage, admin", otherAdminSecret),
    line("root", "search", "platform", platformSecret),
  ].join("\n");
}
