// What may differ between a recorded request and ours, although both ask for the same. Everything else has to be equal.
import type { Raw } from "./raw-json.ts";

/** Rules for every case; each is applied to both sides. */
export function normalise(request: Raw): Raw {
  return withoutNulls(normaliseTop(request));
}

type Members = Readonly<Record<string, Raw>>;

function normaliseTop(request: Raw): Members {
  const all: Record<string, Raw> = { ...asMembers(request) };
  // One length under two names; each server has its own.
  all["max_tokens"] = all["max_completion_tokens"] ?? all["max_tokens"];
  delete all["max_completion_tokens"];
  // `user` became `safety_identifier` at OpenAI.
  all["user"] = all["safety_identifier"] ?? all["user"];
  delete all["safety_identifier"];
  // Streams always report their usage; "false" is the default.
  delete all["stream_options"];
  if (all["stream"] === false) delete all["stream"];
  if (typeof all["stop"] === "string") all["stop"] = [all["stop"]];
  if (all["n"] === 1) delete all["n"];
  if (all["logprobs"] === false) delete all["logprobs"];
  // Nothing is stored at the provider, and so ciphertext is asked for.
  delete all["store"];
  delete all["include"];
  if (typeof all["input"] === "string") all["input"] = [{ role: "user", content: all["input"] }];
  for (const name of ["messages", "input"]) {
    const list = all[name];
    if (Array.isArray(list)) all[name] = list.map(normaliseMessage);
  }
  // An empty list is the same as none.
  for (const name of ["tools", "stop"]) if (isEmpty(all[name])) delete all[name];
  for (const name of ["response_format", "text", "tools"]) all[name] = normaliseTools(all[name]);
  return all;
}

function normaliseMessage(message: Raw): Raw {
  const all: Record<string, Raw> = { ...asMembers(message) };
  // Which of the two words a model wants is the adapter's choice.
  if (all["role"] === "developer") all["role"] = "system";
  all["content"] = normaliseContent(all["content"]);
  all["output"] = normaliseContent(all["output"]);
  // `message` is the default type of an item with a role, and its state is always "completed" when it comes back.
  if (all["role"] !== undefined) delete all["type"];
  delete all["status"];
  // Echoes of the answer that no server reads.
  if (all["prefix"] === false) delete all["prefix"];
  delete all["annotations"];
  const calls = all["tool_calls"];
  if (isEmpty(calls)) delete all["tool_calls"];
  if (Array.isArray(calls) && calls.length > 0) {
    all["tool_calls"] = calls.map((call) => ({ ...asMembers(call), index: undefined, type: "function" }));
  }
  // Reasoning goes back under the name that the server gives it.
  all["reasoning"] = all["reasoning_content"] ?? all["reasoning"];
  delete all["reasoning_content"];
  return all;
}

/** One plain text is the same as a list of it; no text is the same as none. */
function normaliseContent(content: Raw): Raw {
  if (content === "" || content === null) return undefined;
  if (!Array.isArray(content)) return content;
  if (content.length === 0) return undefined;
  const [only] = content.map(asMembers);
  const isText =
    content.length === 1 && Object.keys(only ?? {}).every((name) => ["type", "text", "annotations"].includes(name));
  return isText ? only?.["text"] : content;
}

function isEmpty(value: Raw): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** A tool of no kind is a function. */
function withType(tool: Members): Members {
  return tool["function"] === undefined ? tool : { ...tool, type: "function" };
}

/** Empty descriptions and an unset or false `strict` say nothing. */
function normaliseTools(value: Raw): Raw {
  if (Array.isArray(value)) return value.map(normaliseTools);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(withType(asMembers(value)))
      .filter(([name, member]) => !(name === "description" && member === "") && !(name === "strict" && member !== true))
      .map(([name, member]) => [name, name === "parameters" || name === "schema" ? member : normaliseTools(member)]),
  );
}

function withoutNulls(value: Raw): Raw {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null && member !== undefined)
      .map(([name, member]) => [name, withoutNulls(member)]),
  );
}

function asMembers(value: Raw): Members {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

const notTheirs = "the server documents no such parameter and ignores it; it is dropped with a warning";

/** Members that differ in single cases, and why. */
export const differencesOfCase: Readonly<
  Record<string, { readonly members: readonly string[]; readonly because: string }>
> = {
  "azure-openai-chat-stream-stop-sequences-a637bc94": {
    members: ["model"],
    because: "the model stands in the address only",
  },
  "deepseek-chat-stream-logprobs-21d7cd01": {
    members: ["thinking"],
    because: "an effort also switches thinking on, which is the default",
  },
  "deepseek-chat-stream-parallel-tools-4f187076": { members: ["parallel_tool_calls"], because: notTheirs },
  "deepseek-chat-unary-parallel-tools-61611228": { members: ["parallel_tool_calls"], because: notTheirs },
  "deepseek-chat-unary-text-32953568": { members: ["user"], because: notTheirs },
  "ollama-chat-unary-vision-b0d5af9e": {
    members: ["messages"],
    because: "images of Ollama's own API, which this one ignores",
  },
  "openai-chat-unary-error-400-deddc0e9": {
    members: ["stop"],
    because: "the model refuses it: that is the recorded error",
  },
  "openai-chat-unary-server-tools-ef714a40": {
    members: ["messages"],
    because: "tool messages have no name in this API",
  },
  "openai-responses-stream-structured-output-fb851f12": {
    members: ["text"],
    because: "strict is set by itself for a closed schema",
  },
  "openai-responses-unary-document-659d85cf": {
    members: ["model", "input"],
    because: "only a prompt stored at the provider",
  },
  "openai-responses-unary-server-tools-85ad19f6": {
    members: ["reasoning"],
    because: "`context` has no word in the contract",
  },
  "vercel-gateway-chat-stream-parallel-tools-213f5803": {
    members: ["messages"],
    because: "cache_control of a message; ours stands on its parts",
  },
  "vllm-chat-stream-thinking-39e65419": {
    members: ["chat_template_kwargs"],
    because: "an effort also switches thinking on",
  },
  "zai-chat-stream-tool-result-2bba0f80": {
    members: ["reasoning_effort", "thinking"],
    because: "thinking is on or off",
  },
};

/** Recordings of requests that the server refuses, and so do we, before they are sent. */
export const refusedRequests: ReadonlySet<string> = new Set([
  "deepseek-chat-unary-error-400-b03cf4b5", // Audio: "unknown variant `input_audio`".
]);
