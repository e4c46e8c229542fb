// OpenAI API reference, "Create transcription" and "Create translation": half a second for each word, in as many words as
// the file has thousands of bytes.
import { asString, type JsonRecord } from "../../wire/json.ts";
import { isFormFile } from "../multipart.ts";
import { jsonAsked, plainQuestion } from "../operations/plain-asked.ts";
import { type Asked, WireProblem } from "../wire.ts";

const secondsPerWord = 0.5;
const bytesPerWord = 1_000;
const wordsMax = 5_000;
const wordsPerSegment = 5;
const audioTokensPerSecond = 10;
const vocabulary = "this is what the simulator heard in the audio that it was given".split(" ");

export function readTranscriptions(body: JsonRecord): Asked {
  return toTranscript(body, "english");
}

export function readTranslations(body: JsonRecord): Asked {
  return toTranscript(body, "english");
}

function toTranscript(body: JsonRecord, language: string): Asked {
  const { file } = body;
  if (!isFormFile(file)) throw new WireProblem("file is required");
  const count = Math.min(wordsMax, Math.max(1, Math.ceil(file.bytes.length / bytesPerWord)));
  const words = Array.from({ length: count }, (_value, index) => vocabulary[index % vocabulary.length] ?? "");
  const duration = count * secondsPerWord;
  const question = plainQuestion(asString(body["model"]), [asString(body["prompt"]) ?? ""]);
  return jsonAsked(question, ({ controls }) => {
    const usage = controls.noUsage ? {} : { usage: toUsage(body["model"], duration, count) };
    const text = words.join(" ");
    if (body["response_format"] === "diarized_json") {
      return { task: "transcribe", duration, text, segments: toSegments(words, true), ...usage };
    }
    if (body["response_format"] !== "verbose_json") return { text, ...usage };
    return { task: "transcribe", language, duration, text, ...toTimes(words, body), ...usage };
  });
}

function toTimes(words: readonly string[], body: JsonRecord): object {
  const granularities = [body["timestamp_granularities[]"]].flat();
  const wantsWords = granularities.includes("word");
  const wantsSegments = !wantsWords || granularities.includes("segment");
  return {
    ...(wantsWords ? { words: words.map((word, index) => ({ word, ...toSpan(index, 1) })) } : {}),
    ...(wantsSegments ? { segments: toSegments(words, false) } : {}),
  };
}

function toSegments(words: readonly string[], withSpeakers: boolean): readonly object[] {
  const segments: object[] = [];
  for (let first = 0; first < words.length; first += wordsPerSegment) {
    const own = words.slice(first, first + wordsPerSegment);
    const speaker = withSpeakers ? { speaker: segments.length % 2 === 0 ? "A" : "B" } : { avg_logprob: -0.25 };
    segments.push({ id: segments.length, text: ` ${own.join(" ")}`, ...toSpan(first, own.length), ...speaker });
  }
  return segments;
}

function toSpan(first: number, count: number): object {
  return { start: first * secondsPerWord, end: (first + count) * secondsPerWord };
}

/** Models with "transcribe" in their name are billed by tokens, as at OpenAI; the others by time. */
function toUsage(model: unknown, duration: number, outputTokens: number): object {
  if (!String(model).includes("transcribe")) return { type: "duration", seconds: Math.ceil(duration) };
  const audioTokens = Math.ceil(duration * audioTokensPerSecond);
  return {
    type: "tokens",
    input_tokens: audioTokens,
    output_tokens: outputTokens,
    total_tokens: audioTokens + outputTokens,
    input_token_details: { text_tokens: 0, audio_tokens: audioTokens },
  };
}
