// Whose events a caller of UsageService may see, whatever its filter asks for.

export type UsageScope =
  | { readonly kind: "everything" }
  | { readonly kind: "organisation"; readonly organisationId: string }
  | { readonly kind: "team"; readonly teamId: string }
  | { readonly kind: "project"; readonly projectId: string };
