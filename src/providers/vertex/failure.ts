import type { HttpHeaders } from "../../domain/http.ts";
import type { ProviderFailure } from "../../domain/provider-failure.ts";
import { toFailure as toAnthropicFailure } from "../anthropic/failure.ts";
import { toFailure as toGoogleFailure } from "../gemini/failure.ts";

/**
 * A publisher's model fails in its publisher's form, what stands before it in Google's: quota, permission, location. Only
 * Google's has a `status` beside the message.
 */
export function toPublisherFailure(status: number, headers: HttpHeaders, body: Uint8Array): ProviderFailure {
  const isGoogle = /"status"\s*:\s*"[A-Z_]+"/.test(new TextDecoder().decode(body));
  return isGoogle ? toGoogleFailure(status, headers, body) : toAnthropicFailure(status, headers, body);
}
