import { createdAtSeconds } from "./chat-answer.ts";

/** `GET /models` (OpenAI API reference, "List models"). */
export function listOpenAiModels(models: readonly string[]): string {
  const data = models.map((id) => ({ id, object: "model", created: createdAtSeconds, owned_by: "simulator" }));
  return JSON.stringify({ object: "list", data });
}
