import type { HttpHeaders } from "../../domain/http.ts";
import type { TranslationContext } from "../provider.ts";

/**
 * Google's servers stop working on a request after this many seconds: the word that its own SDKs send for
 * `http_options.timeout`. https://github.com/googleapis/python-genai (2026-11-25)
 */
export function toServerTimeout({ timeoutMs }: TranslationContext): HttpHeaders {
  return timeoutMs === undefined ? {} : { "x-server-timeout": String(Math.ceil(timeoutMs / 1_000)) };
}
