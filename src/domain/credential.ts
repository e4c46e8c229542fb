/** What a provider is called with, after the reference in the config was resolved. Never logged, never in an error. */
export type Credential =
  | { readonly kind: "none" }
  | { readonly kind: "api-key"; readonly value: string }
  /** OAuth access token (Vertex AI, Entra). */
  | { readonly kind: "access-token"; readonly value: string }
  | {
      readonly kind: "aws";
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly sessionToken?: string | undefined;
    };
