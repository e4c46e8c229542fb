// Who calls, after the credential was checked, and what its credential allows.
import type { Grant } from "./grant.ts";

/** Roles of the credential. `inference`: InferenceService and ModelService. `usage`: UsageService of the own project. `admin`: admin services of the own project. `platform`: everything. */
export type CallerRole = "inference" | "usage" | "admin" | "platform";

export type Caller = Grant & {
  /** "" in a deployment with one organisation. */
  readonly organisationId: string;
  readonly teamId: string;
  readonly projectId: string;
  /** Id of the key, never the secret; "" when the caller came by token or certificate. */
  readonly keyId: string;
  /** Service or user named by a token or a client certificate; "" otherwise. */
  readonly service: string;
  readonly roles: readonly CallerRole[];
  readonly models: readonly string[];
  /** Methods that may be called, as "package.Service/Method" or "package.Service/*"; absent: all that the roles open. */
  readonly methods?: readonly string[] | undefined;
  /** Labels added to every request. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
};
