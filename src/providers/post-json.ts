import type { HttpHeaders, HttpRequest } from "../domain/http.ts";
import { type JsonOut, writeJson } from "./json-writer.ts";
import type { Translation } from "./provider.ts";
import type { TranslationLog } from "./translation-log.ts";

export function postJson(origin: string, path: string, body: JsonOut, headers: HttpHeaders = {}): HttpRequest {
  return {
    method: "POST",
    origin,
    path,
    headers: { "content-type": "application/json", accept: "application/json", ...headers },
    body: writeJson(body),
  };
}

/** The requests of one attempt with what the log says of them; unsupported when the log says so. */
export function toTranslation(log: TranslationLog, make: () => readonly HttpRequest[]): Translation {
  if (log.violations.length > 0) return { kind: "unsupported", violations: log.violations };
  const [request, ...rest] = make();
  if (request === undefined)
    return { kind: "unsupported", violations: [{ field: "", description: "nothing to send" }] };
  return { kind: "request", request, rest, warnings: log.warnings };
}
