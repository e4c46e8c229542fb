import type { Credential } from "../../domain/credential.ts";
import type { HttpRequest } from "../../domain/http.ts";
import { withBearer, withHeader } from "../bearer-credential.ts";

/** A key goes into a header, never into the address, which proxies log; an OAuth token into `authorization`. */
export function addGoogleCredential(request: HttpRequest, credential: Credential): HttpRequest {
  if (credential.kind === "api-key") return withHeader(request, "x-goog-api-key", credential.value);
  return withBearer(request, credential);
}
