// Where an event is published: `<prefix>.usage.v1.<project_id>.<operation>.<outcome>`, as the contract says.
import type { EventHead } from "../event-head.ts";
import { operationWord, outcomeWord } from "../event-words.ts";

const projectTokens = new Map<string, string>();
/** Project ids whose token is remembered; past it the memory starts anew. */
const projectTokensMax = 10_000;

export function subjectOf(prefix: string, { projectId, operation, outcome }: EventHead): string {
  return `${prefix}.usage.v1.${projectToken(projectId)}.${operationWord(operation)}.${outcomeWord(outcome)}`;
}

/** Subjects of all events under a prefix: what the stream takes. */
export function allSubjects(prefix: string): string {
  return `${prefix}.usage.v1.>`;
}

/** A subject has no empty token, so an event without a project stands under "_". */
function projectToken(projectId: string): string {
  const known = projectTokens.get(projectId);
  if (known !== undefined) return known;
  const token = projectId === "" ? "_" : projectId.replace(/[^A-Za-z0-9_-]/g, "_");
  if (projectTokens.size >= projectTokensMax) projectTokens.clear();
  projectTokens.set(projectId, token);
  return token;
}
