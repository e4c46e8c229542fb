// Every OpenTelemetry GenAI name that we use, in one place: all are at development status, and moved to a repository of
// their own in 2026 (https://github.com/open-telemetry/semantic-conventions-genai, seen 2026-11-24).

/** Attributes of spans. */
export const genAiAttributes = {
  operation: "gen_ai.operation.name",
  provider: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  responseModel: "gen_ai.response.model",
  responseId: "gen_ai.response.id",
  finishReasons: "gen_ai.response.finish_reasons",
  conversation: "gen_ai.conversation.id",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  cacheReadInputTokens: "gen_ai.usage.cache_read.input_tokens",
  cacheWriteInputTokens: "gen_ai.usage.cache_creation.input_tokens",
  reasoningOutputTokens: "gen_ai.usage.reasoning.output_tokens",
  errorType: "error.type",
} as const;

/** Labels of Prometheus: the attributes with "_" for ".". */
export const genAiLabels = {
  operation: "gen_ai_operation_name",
  provider: "gen_ai_provider_name",
  requestModel: "gen_ai_request_model",
  tokenType: "gen_ai_token_type",
  errorType: "error_type",
} as const;

/** Metrics, as the OpenTelemetry exporter for Prometheus would name them: "_" for ".", the unit at the end. */
export const genAiMetrics = {
  clientTokenUsage: "gen_ai_client_token_usage",
  clientOperationDuration: "gen_ai_client_operation_duration_seconds",
  serverRequestDuration: "gen_ai_server_request_duration_seconds",
  serverTimeToFirstToken: "gen_ai_server_time_to_first_token_seconds",
  serverTimePerOutputToken: "gen_ai_server_time_per_output_token_seconds",
} as const;

/** Bounds of the buckets that the conventions ask for. */
export const genAiBuckets = {
  tokens: [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864],
  durationSeconds: [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
  timeToFirstTokenSeconds: [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  timePerOutputTokenSeconds: [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5],
} as const;
