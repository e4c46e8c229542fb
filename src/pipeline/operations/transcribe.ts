import { create } from "@bufbuild/protobuf";
import {
  PartSchema,
  type TranscribeRequest,
  type TranscribeResponse,
  TranscribeResponseSchema,
  UsageSchema,
} from "../../contract.ts";
import type { Transcript } from "../../domain/operation-results.ts";
import { toDuration } from "../../metering/usage-event.ts";
import type { Operation } from "../operation.ts";
import { textPart } from "../text-part.ts";

/** As `metering/weigh-request.ts` counts audio. */
const audioTokensPerSecond = 32;
/** Fast speech: 200 words a minute. */
const textTokensPerSecond = 5;

export const transcribe: Operation<TranscribeRequest, Transcript, TranscribeResponse> = {
  of: (provider) => provider.transcribe,
  inputField: "audio",
  inputs: ({ audio, prompt }) => [
    ...(audio === undefined ? [] : [create(PartSchema, { content: { case: "audio", value: audio } })]),
    ...(prompt === "" ? [] : [textPart(prompt)]),
  ],
  unitsMost(_request, inputTokens) {
    const seconds = Math.ceil(inputTokens / audioTokensPerSecond);
    return [
      create(UsageSchema, { inputAudioDuration: { seconds: BigInt(seconds) } }),
      create(UsageSchema, {
        inputTokens,
        audioInputTokens: inputTokens,
        outputTokens: seconds * textTokensPerSecond,
        inputAudioDuration: { seconds: BigInt(seconds) },
      }),
    ];
  },
  join([first, ...rest]) {
    if (first === undefined || rest.length > 0) throw new Error("a transcript is one request");
    return first;
  },
  toResponse: ({ text, languageCode, durationMs, segments, words }, info) =>
    create(TranscribeResponseSchema, {
      text,
      languageCode,
      segments: [...segments],
      words: [...words],
      info,
      ...(durationMs === undefined ? {} : { duration: toDuration(durationMs) }),
    }),
};
