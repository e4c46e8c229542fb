// What a request needs and what a model is known to lack, as sets of bits: the check of a target is one `&`.
import { type CompleteRequest, Modality, type Part, ReasoningEffort, ToolMode } from "../contract.ts";
import type { ModelFacts } from "../domain/target.ts";

/** Every capability that keeps a request from a target, with the request field that asks for it. */
export const capabilities = [
  { bit: 1, name: "image input", field: "messages" },
  { bit: 2, name: "audio input", field: "messages" },
  { bit: 4, name: "video input", field: "messages" },
  { bit: 8, name: "document input", field: "messages" },
  { bit: 16, name: "tools", field: "tools" },
  { bit: 32, name: "JSON schema", field: "response_format.json_schema" },
  { bit: 64, name: "reasoning", field: "reasoning" },
  { bit: 128, name: "image output", field: "output_modalities" },
  { bit: 256, name: "audio output", field: "output_modalities" },
] as const;

export const capabilityBit = {
  image: 1,
  audio: 2,
  video: 4,
  document: 8,
  tools: 16,
  jsonSchema: 32,
  reasoning: 64,
  imageOutput: 128,
  audioOutput: 256,
} as const;

/** Bits of what the model is *known* to lack: unknown is allowed. */
export function lackedBy(facts: ModelFacts): number {
  const { inputModalities, outputModalities } = facts;
  const lacks: readonly (readonly [bit: number, isLacking: boolean])[] = [
    [capabilityBit.image, inputModalities?.includes("image") === false],
    [capabilityBit.audio, inputModalities?.includes("audio") === false],
    [capabilityBit.video, inputModalities?.includes("video") === false],
    [capabilityBit.document, inputModalities?.includes("document") === false],
    [capabilityBit.imageOutput, outputModalities?.includes("image") === false],
    [capabilityBit.audioOutput, outputModalities?.includes("audio") === false],
    [capabilityBit.tools, facts.tools === false],
    [capabilityBit.jsonSchema, facts.jsonSchema === false],
    [capabilityBit.reasoning, facts.reasoning === false],
  ];
  return lacks.reduce((bits, [bit, isLacking]) => (isLacking ? bits | bit : bits), 0);
}

/** Bits of what the request cannot do without. */
export function neededBy(request: CompleteRequest): number {
  let bits = 0;
  for (const message of request.messages) bits |= neededByParts(message.parts);
  if (request.tools.length > 0 && request.toolChoice?.mode !== ToolMode.NONE) bits |= capabilityBit.tools;
  if (request.responseFormat?.format.case === "jsonSchema") bits |= capabilityBit.jsonSchema;
  if (wantsReasoning(request)) bits |= capabilityBit.reasoning;
  for (const modality of request.outputModalities) {
    if (modality === Modality.IMAGE) bits |= capabilityBit.imageOutput;
    if (modality === Modality.AUDIO) bits |= capabilityBit.audioOutput;
  }
  return bits;
}

function neededByParts(parts: readonly Part[]): number {
  let bits = 0;
  for (const { content } of parts) {
    switch (content.case) {
      case "image":
      case "audio":
      case "video":
      case "document":
        bits |= capabilityBit[content.case];
        break;
      case "toolResult":
        bits |= neededByParts(content.value.content);
        break;
      default: // Text, calls, reasoning and parts of a provider need nothing that a model is known to lack.
    }
  }
  return bits;
}

function wantsReasoning({ reasoning }: CompleteRequest): boolean {
  if (reasoning === undefined) return false;
  if (reasoning.budgetTokens !== undefined) return reasoning.budgetTokens > 0;
  return reasoning.effort !== ReasoningEffort.UNSPECIFIED && reasoning.effort !== ReasoningEffort.NONE;
}
