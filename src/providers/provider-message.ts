/** Most characters of a provider's own text that may reach the caller. */
const messageCharactersMax = 500;

/** What could be a key: known prefixes, bearer tokens, JWTs, long runs of hex, and long runs of mixed base64. */
const secretPattern = new RegExp(
  [
    String.raw`\b(?:sk|pk|rk|gsk|xai|hf|pplx|csk|r8|nvapi|fw|tgp|glpat|ghp)[-_][A-Za-z0-9*_.-]{8,}`,
    String.raw`\bAIza[\w-]{20,}`,
    String.raw`\b(?:AKIA|ASIA)[A-Z0-9]{12,}`,
    String.raw`\bya29\.\S+`,
    String.raw`\bBearer\s+\S+`,
    String.raw`\beyJ[A-Za-z0-9_-]{8,}\S*`,
    String.raw`\b[0-9a-fA-F]{32,}\b`,
    String.raw`(?=\S*\d)(?=\S*[A-Z])(?=\S*[a-z])[A-Za-z0-9+/_-]{40,}={0,2}`,
  ].join("|"),
  "g",
);

/** The provider's own words, fit to be shown: one line, no secret, bounded. */
export function toProviderMessage(text: string): string {
  // Cut first, so that a body of megabytes costs nothing; twice the length, so that a secret at the cut is still seen whole.
  const line = text
    .slice(0, 2 * messageCharactersMax)
    .replace(/\s+/g, " ")
    .trim();
  return line.replace(secretPattern, "***").slice(0, messageCharactersMax).toWellFormed();
}
