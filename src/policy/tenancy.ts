import type { Config } from "../config/config.ts";

export type Tenancy = { readonly teamId: string; readonly organisationId: string };

/** Team and organisation by project id; `undefined`: the config does not know the project. */
export type TenancyIndex = ReadonlyMap<string, Tenancy>;

/** What a caller gets whose project stands in no team. */
export const noTenancy: Tenancy = { teamId: "", organisationId: "" };

export function createTenancyIndex(tenants: Config["tenants"]): TenancyIndex {
  const organisationByTeam = new Map(tenants.teams.map((team) => [team.id, team.organisationId]));
  return new Map(
    tenants.projects.map(({ id, teamId }) => [id, { teamId, organisationId: organisationByTeam.get(teamId) ?? "" }]),
  );
}
