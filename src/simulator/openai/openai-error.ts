import { type FaultAnswer, retryAfterHeader, type WireFault } from "../wire.ts";

type ErrorWords = { readonly type: string; readonly code: string | null };

const wordsByStatus: Readonly<Record<number, ErrorWords>> = {
  400: { type: "invalid_request_error", code: null },
  401: { type: "invalid_request_error", code: "invalid_api_key" },
  403: { type: "invalid_request_error", code: "unsupported_country_region_territory" },
  404: { type: "invalid_request_error", code: "model_not_found" },
  429: { type: "tokens", code: "rate_limit_exceeded" },
};

const otherError: ErrorWords = { type: "invalid_request_error", code: null };
const serverError: ErrorWords = { type: "server_error", code: null };

/** OpenAI's error envelope (API reference, "Error codes"). */
export function toOpenAiError(fault: WireFault): FaultAnswer {
  const words = wordsByStatus[fault.status] ?? (fault.status < 500 ? otherError : serverError);
  const body = JSON.stringify({ error: { message: fault.message, type: words.type, param: null, code: words.code } });
  return { headers: retryAfterHeader(fault), body };
}
