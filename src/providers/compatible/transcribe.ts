// Transcripts as OpenAI has them (API reference, "Create transcription" and "Create translation"). Times and speakers come
// with some models only: Whisper has segments and words, the diarizing model has segments with speakers, the others have
// the text alone.
import { create } from "@bufbuild/protobuf";
import {
  type TranscribeRequest,
  type TranscriptSpan,
  TranscriptSpanSchema,
  type Usage,
  UsageSchema,
  UsageSource,
} from "../../contract.ts";
import type { HttpResponse } from "../../domain/http.ts";
import type { Transcript } from "../../domain/operation-results.ts";
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { notAnAnswer, readJsonAnswer } from "../json-answer.ts";
import { toLanguageCode } from "../language-code.ts";
import { toMediaBytes } from "../media-bytes.ts";
import { type FormField, postForm } from "../multipart-form.ts";
import { toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { toTokenCount } from "../token-count.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { wordTable } from "../word-table.ts";
import { toFailureInside } from "./failure.ts";
import type { OperationRules } from "./operation-rules.ts";

export function createTranscribeOperation(rules: OperationRules): UnaryOperation<TranscribeRequest, Transcript> {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      const file = toFile(request, log);
      const fields = [{ name: "model", value: model }, ...toFields(request, model, log), ...toOptions(request, rules)];
      const step = request.translate ? "/audio/translations" : "/audio/transcriptions";
      return toTranslation(log, () => [postForm(rules.origin, rules.pathOf(step, model), [...fields, ...file])]);
    },
    fromHttpResponse: (response, request) => fromTranscript(response, request),
  };
}

const extensions = wordTable<string>({
  "audio/mpeg": "mp3",
  "audio/mp3": "mp3",
  "audio/mp4": "m4a",
  "audio/m4a": "m4a",
  "audio/x-m4a": "m4a",
  "audio/wav": "wav",
  "audio/x-wav": "wav",
  "audio/wave": "wav",
  "audio/webm": "webm",
  "video/webm": "webm",
  "video/mp4": "mp4",
  "audio/ogg": "ogg",
  "audio/opus": "ogg",
  "audio/flac": "flac",
});

/** The server tells formats apart by the end of the file's name. */
function toFile({ audio }: TranscribeRequest, log: TranslationLog): readonly FormField[] {
  if (audio === undefined) {
    log.unsupported("audio", "is needed");
    return [];
  }
  const bytes = toMediaBytes(audio, "audio", log);
  if (bytes === undefined) return [];
  const type = bytes.mediaType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const filename = audio.filename || `audio.${extensions[type] ?? "wav"}`;
  return [{ name: "file", file: bytes.data, mediaType: bytes.mediaType || "audio/wav", filename }];
}

type Form = "verbose_json" | "diarized_json" | "json";

function toFields(request: TranscribeRequest, model: string, log: TranslationLog): readonly FormField[] {
  const form = toForm(request, model, log);
  const isTimed = form === "verbose_json" && !request.translate;
  const granularities = isTimed
    ? [...(request.includeWords ? ["word"] : []), ...(request.includeSegments ? ["segment"] : [])]
    : [];
  return [
    { name: "response_format", value: form },
    { name: "language", value: toLanguage(request, log) },
    { name: "prompt", value: toPrompt(request, form, log) },
    // Audio of more than 30 seconds is refused without it.
    { name: "chunking_strategy", value: form === "diarized_json" ? "auto" : undefined },
    ...granularities.map((value) => ({ name: "timestamp_granularities[]", value })),
  ];
}

function toForm(request: TranscribeRequest, model: string, log: TranslationLog): Form {
  if (/gpt-.*transcribe.*diarize/.test(model)) return toDiarizingForm(request, log);
  if (request.diarize) log.dropped("diarize", "the model does not tell speakers apart");
  if (/gpt-.*transcribe/.test(model)) return toTextForm(request, log);
  if (request.translate && request.includeWords) log.dropped("include_words", "translations have no times of words");
  // Whisper's answer says the length of the audio, by which it is billed, in this form only.
  return "verbose_json";
}

function toDiarizingForm(
  { diarize, includeSegments, includeWords, translate }: TranscribeRequest,
  log: TranslationLog,
): Form {
  if (translate) log.unsupported("translate", "the model does not translate");
  if (includeWords) log.dropped("include_words", "the model gives times of segments only");
  return diarize || includeSegments ? "diarized_json" : "json";
}

function toTextForm({ includeSegments, includeWords, translate }: TranscribeRequest, log: TranslationLog): Form {
  if (translate) log.unsupported("translate", "the model does not translate");
  if (includeSegments) log.dropped("include_segments", "the model gives the text alone");
  if (includeWords) log.dropped("include_words", "the model gives the text alone");
  return "json";
}

function toLanguage({ languageCode, translate }: TranscribeRequest, log: TranslationLog): string | undefined {
  if (languageCode === "") return undefined;
  if (translate) {
    log.dropped("language_code", "translating finds out the language itself");
    return undefined;
  }
  const language = languageCode.split("-", 1)[0]?.toLowerCase();
  if (language !== languageCode) log.adjusted("language_code", "the provider knows the language without its region");
  return language;
}

function toPrompt({ prompt }: TranscribeRequest, form: Form, log: TranslationLog): string | undefined {
  if (prompt === "") return undefined;
  if (form !== "diarized_json") return prompt;
  log.dropped("prompt", "the model takes none while it tells speakers apart");
  return undefined;
}

function toOptions({ context }: TranscribeRequest, { aliases }: OperationRules): readonly FormField[] {
  return Object.entries(providerOptionsOf(context?.providerOptions ?? {}, aliases)).map(([name, value]) => ({
    name,
    value: typeof value === "string" || value === undefined ? value : JSON.stringify(value),
  }));
}

export function fromTranscript(response: HttpResponse, request: TranscribeRequest): Transcript {
  const body = readJsonAnswer(response.body, "transcript");
  if (body["error"] !== undefined && body["error"] !== null) throw toFailureInside(body);
  const text = asString(body["text"]);
  if (text === undefined) throw notAnAnswer("transcript", "it has no text");
  const seconds = toSeconds(body["duration"]);
  return {
    text,
    languageCode: request.translate ? "en" : toLanguageCode(asString(body["language"]) ?? ""),
    durationMs: seconds === undefined ? undefined : Math.round(seconds * 1_000),
    segments: request.includeSegments || request.diarize ? toSpans(body["segments"]) : [],
    words: request.includeWords ? toSpans(body["words"]) : [],
    usage: toTranscriptUsage(asObject(body["usage"]), seconds),
    responseModel: asString(body["model"]) ?? "",
    warnings: [],
  };
}

function toSpans(raw: unknown): readonly TranscriptSpan[] {
  return (asArray(raw) ?? []).map((row) => toSpan(asObject(row) ?? {}));
}

function toSpan(row: JsonRecord): TranscriptSpan {
  const logprob = asNumber(row["avg_logprob"]);
  const confidence = logprob === undefined ? undefined : Math.min(1, Math.exp(logprob));
  const [start, end] = [toSeconds(row["start"]), toSeconds(row["end"])];
  return create(TranscriptSpanSchema, {
    text: (asString(row["text"]) ?? asString(row["word"]) ?? "").trim(),
    speaker: asString(row["speaker"]) ?? "",
    ...(start === undefined ? {} : { startOffset: toDuration(start) }),
    ...(end === undefined ? {} : { endOffset: toDuration(end) }),
    ...(confidence === undefined ? {} : { confidence }),
  });
}

/** Whisper is billed by time, the others by tokens; both say so in `usage.type`. Older servers give the length alone. */
function toTranscriptUsage(raw: JsonRecord | undefined, audioSeconds: number | undefined): Usage | undefined {
  const source = UsageSource.PROVIDER;
  const seconds = toSeconds(raw?.["seconds"]) ?? audioSeconds;
  const inputAudioDuration = seconds === undefined ? {} : { inputAudioDuration: toDuration(seconds) };
  const inputTokens = toTokenCount(raw?.["input_tokens"]);
  const outputTokens = toTokenCount(raw?.["output_tokens"]);
  if (inputTokens === undefined || outputTokens === undefined) {
    return seconds === undefined ? undefined : create(UsageSchema, { ...inputAudioDuration, source });
  }
  const audioInputTokens = toTokenCount(asObject(raw?.["input_token_details"])?.["audio_tokens"]);
  return create(UsageSchema, {
    inputTokens,
    outputTokens,
    ...(audioInputTokens === undefined ? {} : { audioInputTokens }),
    ...inputAudioDuration,
    source,
  });
}

/** Some servers write seconds as text. A length that cannot be is not known. */
function toSeconds(raw: unknown): number | undefined {
  const seconds = typeof raw === "string" && raw.trim() !== "" ? Number(raw) : asNumber(raw);
  return seconds !== undefined && seconds >= 0 && seconds < 1e9 ? seconds : undefined;
}

function toDuration(seconds: number): { readonly seconds: bigint; readonly nanos: number } {
  const milliseconds = Math.round(seconds * 1_000);
  return { seconds: BigInt(Math.floor(milliseconds / 1_000)), nanos: (milliseconds % 1_000) * 1_000_000 };
}
