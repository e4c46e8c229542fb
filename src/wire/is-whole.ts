/**
 * Whether the data of an event that lacks its end (no blank line, no line end) is all there. Some servers leave the last
 * line end out (xAI, Groq, Mistral); a cut connection leaves half an event, which is none.
 */
export function isWhole(data: string): boolean {
  if (data === "[DONE]") return true;
  try {
    JSON.parse(data);
    return true;
  } catch {
    return false; // Not JSON is the answer here, not an error.
  }
}
