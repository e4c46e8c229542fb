// Whose is it: the role `admin` administers the own project, `platform` everything. What belongs to others is not there.
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { Caller } from "../domain/principal.ts";

export function isPlatform(caller: Caller): boolean {
  return caller.roles.includes("platform");
}

export function mayAdminister(caller: Caller, projectId: string): boolean {
  return isPlatform(caller) || (caller.projectId !== "" && caller.projectId === projectId);
}

/** The same for what does not exist and for what belongs to others, so that it reveals nothing. */
export function resourceNotFound(type: "key" | "budget" | "route" | "project", name: string): CallFailure {
  return new CallFailure(ErrorReason.RESOURCE_NOT_FOUND, `no such ${type}`, { resource: { type, name } });
}
