import { hash } from "node:crypto";
import type { Config } from "../config/config.ts";
import type { Caller } from "../domain/principal.ts";
import { toRequestKey } from "./create-memory.ts";
import { isPlatform } from "./ownership.ts";
import { invalid } from "./refusals.ts";

export type IdQuestion = {
  readonly caller: Caller;
  readonly type: "key" | "budget";
  /** "": the gateway chooses. */
  readonly wanted: string;
  /** Project that the object will belong to. */
  readonly projectId: string;
  readonly requestId: string;
  readonly tenants: Config["tenants"];
  readonly randomBytes: (length: number) => Uint8Array;
};

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const idDigits = 20;

/**
 * The id of a new object. Ids are of the whole gateway: chosen freely, one project would learn of another's by trying, so
 * that those of an administrator begin with the name of the project. Throws `CallFailure` INVALID_REQUEST.
 */
export function chooseId(question: IdQuestion): string {
  const { caller, type, wanted, projectId, tenants } = question;
  if (wanted === "") return newId(question);
  const field = `${type}.${type}_id`;
  if (!namePattern.test(wanted)) {
    throw invalid({ field, description: 'must be letters, digits, ".", "_" and "-", at most 128' });
  }
  if (!isPlatform(caller) && projectOfId(wanted, tenants) !== projectId) {
    throw invalid({ field, description: `must begin with "${projectId}-", or be empty to get an id` });
  }
  return wanted;
}

/** With a request id always the same, so that other instances find what a repeated request made. */
function newId({ caller, type, requestId, randomBytes }: IdQuestion): string {
  const bytes = requestId === "" ? randomBytes(32) : hash("sha256", toRequestKey(caller, requestId), "buffer");
  return `${type}-${Buffer.from(bytes).toString("hex").slice(0, idDigits)}`;
}

/** The project that an id says: the longest whose name it begins with. */
function projectOfId(id: string, tenants: Config["tenants"]): string | undefined {
  return tenants.projects
    .map((project) => project.id)
    .filter((project) => id.startsWith(`${project}-`))
    .sort((a, b) => b.length - a.length)[0];
}
