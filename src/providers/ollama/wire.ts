/** `Provider.name`, and the provider in `OpaqueState`. OpenTelemetry has no name for it. */
export const ollamaName = "ollama";
