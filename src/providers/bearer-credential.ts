import type { Credential } from "../domain/credential.ts";
import type { HttpRequest } from "../domain/http.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";

/** Adds `authorization: Bearer …` from an API key or an access token; a request without credential stays as it is. */
export function withBearer(request: HttpRequest, credential: Credential): HttpRequest {
  switch (credential.kind) {
    case "none":
      return request;
    case "api-key":
    case "access-token":
      return withHeader(request, "authorization", `Bearer ${credential.value}`);
    default:
      throw new ProviderFailure("credentials-rejected", "this provider takes an API key or an access token");
  }
}

/** The request with one header more, or replaced. `name` in lower case. */
export function withHeader(request: HttpRequest, name: string, value: string): HttpRequest {
  return { ...request, headers: { ...request.headers, [name]: value } };
}
