// The fields that we read of OpenAI's Responses API, whole or as events. https://platform.openai.com/docs/api-reference/responses

export type WireResponse = {
  readonly id?: unknown;
  readonly model?: unknown;
  readonly status?: unknown;
  readonly error?: unknown;
  readonly incomplete_details?: unknown;
  readonly output?: unknown;
  readonly usage?: unknown;
  readonly service_tier?: unknown;
  /** Azure: findings on the prompt and on the answer. */
  readonly content_filters?: unknown;
};

export type WireItem = {
  readonly type?: unknown;
  readonly id?: unknown;
  /** message, reasoning. */
  readonly content?: unknown;
  /** message: "commentary" or "final_answer"; has to come back with it. */
  readonly phase?: unknown;
  /** reasoning. */
  readonly summary?: unknown;
  readonly encrypted_content?: unknown;
  /** function_call, custom_tool_call; mcp_call has a name too. */
  readonly call_id?: unknown;
  readonly name?: unknown;
  readonly arguments?: unknown;
  readonly input?: unknown;
  /** function_call found by tool search; has to come back with it. */
  readonly namespace?: unknown;
  /** mcp_call. */
  readonly output?: unknown;
  /** web_search_call. */
  readonly action?: unknown;
  /** file_search_call. */
  readonly queries?: unknown;
  /** code_interpreter_call. */
  readonly code?: unknown;
  /** image_generation_call. */
  readonly result?: unknown;
  readonly output_format?: unknown;
};

export type WireResponseEvent = {
  readonly type?: unknown;
  readonly response?: unknown;
  readonly item?: unknown;
  readonly output_index?: unknown;
  readonly content_index?: unknown;
  readonly summary_index?: unknown;
  readonly delta?: unknown;
  readonly text?: unknown;
  readonly logprobs?: unknown;
  readonly annotation?: unknown;
};
