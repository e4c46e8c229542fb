import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { CompleteRequestSchema, ErrorReason, Modality, type PartSchema, Role } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { Grant } from "../domain/grant.ts";
import type { Caller } from "../domain/principal.ts";
import { authoriseRequest } from "./authorise-request.ts";

type PartInit = MessageInitShape<typeof PartSchema>;

function callerWith(grant: Grant): Caller {
  const tenancy = { organisationId: "", teamId: "", projectId: "p" };
  return { ...tenancy, keyId: "k", service: "", roles: ["inference"], ...grant, models: ["*"] };
}

const text: PartInit = { content: { case: "text", value: { text: "Hi." } } };
const image: PartInit = {
  content: { case: "image", value: { source: { case: "uri", value: "https://x.example/a.png" } } },
};
const nested: PartInit = { content: { case: "toolResult", value: { content: [image] } } };
const foreign: PartInit = { content: { case: "provider", value: { payloadJson: "{}" } } };

type Asked = MessageInitShape<typeof CompleteRequestSchema> & { readonly parts?: PartInit[]; readonly method?: string };

/** Field that the refusal names; `undefined`: it was let through. */
function refusedField(grant: Grant, { parts = [text], method = "Complete", ...rest }: Asked, tokens = 10) {
  const request = create(CompleteRequestSchema, { messages: [{ role: Role.USER, parts }], ...rest });
  try {
    authoriseRequest(callerWith(grant), request, tokens, method);
    return undefined;
  } catch (error) {
    if (!(error instanceof CallFailure)) throw error;
    expect(error.reason).toBe(ErrorReason.PERMISSION_DENIED);
    return error.facts.violations?.[0]?.field;
  }
}

describe("modalities that a credential allows", () => {
  it("lets everything through when it lists none", () => {
    expect(refusedField({}, { parts: [text, image, foreign], outputModalities: [Modality.AUDIO] })).toBeUndefined();
  });

  it.each<[string, PartInit, string | undefined]>([
    ["text", text, undefined],
    ["an image", image, "messages"],
    ["an image in the result of a tool", nested, "messages"],
    ["a part in a provider's own words, which may hold anything", foreign, "messages"],
    [
      "a part with options in a provider's own words",
      { ...text, providerOptions: { openai: { type: "x" } } },
      "messages",
    ],
  ])("text alone: %s", (_, part, field) => {
    expect(refusedField({ inputModalities: ["text"] }, { parts: [text, part] })).toBe(field);
  });

  it("holds what is asked for, and text when nothing is", () => {
    expect(refusedField({ outputModalities: ["text"] }, {})).toBeUndefined();
    expect(refusedField({ outputModalities: ["image"] }, {})).toBe("output_modalities");
    expect(refusedField({ outputModalities: ["text"] }, { outputModalities: [Modality.AUDIO] })).toBe(
      "output_modalities",
    );
  });

  it.each<[string, Grant["outputModalities"], string | undefined]>([
    ["Embed", ["embedding"], undefined],
    ["Embed", ["text"], "output_modalities"],
    ["GenerateImages", ["image"], undefined],
    ["GenerateImages", ["text"], "output_modalities"],
    ["StreamSpeech", ["text"], "output_modalities"],
    ["Transcribe", ["text"], undefined],
  ])("%s makes what it makes, of %j", (method, outputModalities, field) => {
    expect(refusedField({ outputModalities }, { method })).toBe(field);
  });
});

describe("sizes that a credential allows", () => {
  it("refuses a longer input", () => {
    expect(refusedField({ inputTokensMax: 10 }, {}, 10)).toBeUndefined();
    expect(refusedField({ inputTokensMax: 10 }, {}, 11)).toBe("messages");
  });

  it("refuses a longer answer, and bounds one without a bound", () => {
    const field = "sampling.max_output_tokens";
    expect(refusedField({ outputTokensMax: 5 }, { sampling: { maxOutputTokens: 6 } })).toBe(field);
    const request = create(CompleteRequestSchema, { sampling: { temperature: 0.5 } });
    authoriseRequest(callerWith({ outputTokensMax: 5 }), request, 1, "Complete");
    expect(request.sampling).toMatchObject({ maxOutputTokens: 5, temperature: 0.5 });
    const shorter = create(CompleteRequestSchema, { sampling: { maxOutputTokens: 3 } });
    authoriseRequest(callerWith({ outputTokensMax: 5 }), shorter, 1, "Complete");
    expect(shorter.sampling?.maxOutputTokens).toBe(3);
  });
});
