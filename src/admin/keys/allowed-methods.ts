// A key lists methods; the rest of the gateway knows roles. Which role a method needs, and who may give it away.
import { adminBudgets, adminKeys, adminRoutes, InferenceService, ModelService, UsageService } from "../../contract.ts";
import type { CallerRole } from "../../domain/principal.ts";

const services = [
  { service: InferenceService, role: "inference" },
  { service: ModelService, role: "inference" },
  { service: UsageService, role: "usage" },
  { service: adminKeys.KeyService, role: "admin" },
  { service: adminBudgets.BudgetService, role: "admin" },
  { service: adminRoutes.RouteService, role: "platform" },
] as const satisfies readonly { readonly service: { readonly typeName: string }; readonly role: CallerRole }[];

/** Methods that need more than their service does: "*" does not open them. */
const exceptions: readonly (readonly [string, CallerRole])[] = [
  [`${UsageService.typeName}/${UsageService.method.correctUsage.name}`, "platform"],
];

const roleByMethod: ReadonlyMap<string, CallerRole> = new Map([
  ...services.flatMap(({ service, role }) =>
    ["*", ...service.methods.map(({ name }) => name)].map((name) => [`${service.typeName}/${name}`, role] as const),
  ),
  ...exceptions,
]);

/** Whether a key may list it: a method that is served, or "package.Service/*". */
export function isKnownMethod(method: string): boolean {
  return roleByMethod.has(method);
}

/** Roles that open the listed methods; none listed: all of InferenceService and ModelService. */
export function toRoles(allowedMethods: readonly string[]): readonly CallerRole[] {
  if (allowedMethods.length === 0) return ["inference"];
  return [...new Set(allowedMethods.map((method) => roleByMethod.get(method)).filter((role) => role !== undefined))];
}

/** What a key of the configuration file, which has roles, would list; nothing for the role that a key has by default. */
export function toAllowedMethods(roles: readonly CallerRole[]): readonly string[] {
  if (roles.length === 1 && roles[0] === "inference") return [];
  return services
    .filter(({ role }) => roles.includes("platform") || roles.includes(role))
    .map(({ service }) => `${service.typeName}/*`);
}
