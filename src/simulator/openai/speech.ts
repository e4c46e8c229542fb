// OpenAI API reference, "Create speech": for each word a piece of made-up samples, as bytes or as events.
import { asString, type JsonRecord } from "../../wire/json.ts";
import { bytesAsked, plainQuestion } from "../operations/plain-asked.ts";
import { hashOfText } from "../operations/word-vector.ts";
import { sseEvent, ssePiece } from "../sse-frame.ts";
import { type Asked, WireProblem } from "../wire.ts";

const typesByFormat: Readonly<Record<string, string>> = {
  mp3: "audio/mpeg",
  opus: "audio/opus",
  aac: "audio/aac",
  flac: "audio/flac",
  wav: "audio/wav",
  pcm: "audio/pcm",
};

/** A word is as long as this, and as many tokens. */
const bytesPerWord = 1_000;
const tokensPerWord = 8;

export function readSpeech(body: JsonRecord): Asked {
  const input = asString(body["input"]);
  const contentType = typesByFormat[asString(body["response_format"]) ?? "mp3"];
  if (input === undefined || input === "") throw new WireProblem("input is required");
  if (asString(body["voice"]) === undefined) throw new WireProblem("voice is required");
  if (contentType === undefined) throw new WireProblem("response_format is not known");
  const question = plainQuestion(asString(body["model"]), [input, asString(body["instructions"]) ?? ""]);
  const words = (input.match(/\S+/g) ?? [input]).map(toSamples);
  if (body["stream_format"] !== "sse") {
    return bytesAsked({ ...question, lastText: input }, contentType, () =>
      words.map((bytes) => ({ bytes, piece: true })),
    );
  }
  const outputTokens = words.length * tokensPerWord;
  const usage = {
    input_tokens: question.inputTokens,
    output_tokens: outputTokens,
    total_tokens: question.inputTokens + outputTokens,
  };
  return {
    ...bytesAsked({ ...question, lastText: input }, "text/event-stream; charset=utf-8", ({ controls }) => [
      ...words.map((bytes) => ssePiece({ type: "speech.audio.delta", audio: Buffer.from(bytes).toString("base64") })),
      sseEvent({ type: "speech.audio.done", ...(controls.noUsage ? {} : { usage }) }),
    ]),
    toErrorFrame: () =>
      sseEvent({ type: "error", error: { message: "The server had an error.", type: "server_error", code: null } }),
  };
}

function toSamples(word: string): Uint8Array {
  let state = hashOfText(word);
  return Uint8Array.from({ length: bytesPerWord }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}
