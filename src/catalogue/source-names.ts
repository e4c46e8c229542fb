// Which file of prices serves a provider. Keys are `gen_ai.provider.name` values where OpenTelemetry has one, else the
// ids and dialects under which such providers are configured.

/** Files of `prices/` in the order in which they are searched; a provider that is not listed has no list prices. */
const filesByProvider: Readonly<Record<string, readonly string[]>> = {
  openai: ["openai"],
  anthropic: ["anthropic"],
  "aws.bedrock": ["aws"],
  "azure.ai.openai": ["azure", "openai"],
  "azure.ai.inference": ["azure", "openai"],
  "gcp.gemini": ["google"],
  "gcp.vertex_ai": ["google", "anthropic"],
  "gcp.gen_ai": ["google"],
  mistral_ai: ["mistral"],
  mistral: ["mistral"],
  cohere: ["cohere"],
  deepseek: ["deepseek"],
  groq: ["groq"],
  perplexity: ["perplexity"],
  x_ai: ["x-ai"],
  xai: ["x-ai"],
  moonshot_ai: ["moonshotai"],
  moonshot: ["moonshotai"],
  baseten: ["baseten"],
  cerebras: ["cerebras"],
  fireworks: ["fireworks"],
  minimax: ["minimax"],
  novita: ["novita"],
  openrouter: ["openrouter"],
  together: ["together"],
  voyageai: ["voyageai"],
  zai: ["zai"],
};

export function toPriceFiles(providerName: string): readonly string[] {
  return Object.hasOwn(filesByProvider, providerName) ? (filesByProvider[providerName] ?? []) : [];
}
