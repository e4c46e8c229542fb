import type { Config } from "../config/config.ts";
import { type Grant, narrowGrant } from "../domain/grant.ts";
import type { Caller } from "../domain/principal.ts";

export type Tenancy = {
  readonly teamId: string;
  readonly organisationId: string;
  /** What project, team and organisation allow together; absent: everything. */
  readonly grant?: Grant | undefined;
};

/** Team, organisation and what they allow by project id; `undefined`: the config does not know the project. */
export type TenancyIndex = ReadonlyMap<string, Tenancy>;

/** What a caller gets whose project stands in no team. */
export const noTenancy: Tenancy = { teamId: "", organisationId: "" };

export function createTenancyIndex(tenants: Config["tenants"]): TenancyIndex {
  const organisations = new Map(tenants.organisations.map((organisation) => [organisation.id, organisation]));
  const teams = new Map(tenants.teams.map((team) => [team.id, team]));
  return new Map(
    tenants.projects.map((project) => {
      const team = teams.get(project.teamId);
      const organisationId = team?.organisationId ?? "";
      const grants = [project, team, organisations.get(organisationId)].filter((tenant) => tenant !== undefined);
      const grant = grants.filter(narrows).reduce<Grant | undefined>(both, undefined);
      return [project.id, { teamId: project.teamId, organisationId, ...(grant === undefined ? {} : { grant }) }];
    }),
  );
}

/** Where a caller stands, and what its credential and its tenants allow together. */
export function inTenancy(
  { teamId, organisationId, grant }: Tenancy,
  own: Pick<Caller, keyof Grant>,
): Pick<Caller, keyof Grant | "teamId" | "organisationId"> {
  const { models, providers, inputModalities, outputModalities, inputTokensMax, outputTokensMax } = own;
  const allowed = { models, providers, inputModalities, outputModalities, inputTokensMax, outputTokensMax };
  if (grant === undefined) return { teamId, organisationId, ...allowed };
  const narrowed = narrowGrant(allowed, grant);
  return { teamId, organisationId, ...narrowed, models: narrowed.models ?? models };
}

function narrows(grant: Grant): boolean {
  const { models, providers, inputModalities, outputModalities, inputTokensMax, outputTokensMax } = grant;
  const limits = [models, providers, inputModalities, outputModalities, inputTokensMax, outputTokensMax];
  return limits.some((limit) => limit !== undefined);
}

function both(a: Grant | undefined, b: Grant): Grant {
  return narrowGrant(a ?? {}, b);
}
