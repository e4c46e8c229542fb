// The body of InvokeModel for Anthropic's models ("Anthropic Claude Messages API"): that of the Messages API, with its
// version and its betas inside.
import type { CompleteRequest, Media } from "../../contract.ts";
import type { FieldViolation } from "../../domain/call-failure.ts";
import { toMessagesBody } from "../anthropic/messages-body.ts";
import type { JsonOutObject } from "../json-writer.ts";
import type { TranslationContext } from "../provider.ts";
import type { TranslationLog } from "../translation-log.ts";
import { claudeStateProvider } from "./wire.ts";

const anthropicVersion = "bedrock-2023-05-31";

export type InvokeBody =
  | { readonly kind: "body"; readonly body: JsonOutObject; readonly log: TranslationLog }
  | { readonly kind: "unsupported"; readonly violations: readonly FieldViolation[] };

/** `aliases`: names under which options and state of this provider stand. */
export function toInvokeBody(
  request: CompleteRequest,
  context: TranslationContext,
  aliases: readonly string[],
): InvokeBody {
  const violations = [...toForeignModel(context), ...toAddresses(request)];
  if (violations.length > 0) return { kind: "unsupported", violations };
  // The tier stands in a header here.
  const made = toMessagesBody({ ...request, serviceTier: "" }, context, [claudeStateProvider, ...aliases]);
  if (made.kind === "unsupported") return made;
  const betas = made.betas.length === 0 ? undefined : made.betas;
  return {
    kind: "body",
    body: { anthropic_version: anthropicVersion, anthropic_beta: betas, ...made.body },
    log: made.log,
  };
}

/** Vendors other than Anthropic, as they stand in ids and ARNs. */
const foreignVendor =
  /(?:^|[./])(?:ai21|amazon|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|nvidia|openai|qwen|stability|twelvelabs|writer|zai)\./;

/** Each vendor has a body of its own; the others are served by Converse. A profile of one's own names no vendor. */
function toForeignModel({ model }: TranslationContext): readonly FieldViolation[] {
  if (!foreignVendor.test(model)) return [];
  return [{ field: "model", description: "api invoke serves Anthropic's models only; set api: converse" }];
}

/** Bedrock fetches nothing, and has no files. */
function toAddresses(request: CompleteRequest): readonly FieldViolation[] {
  return request.messages.flatMap((message, index) =>
    message.parts.flatMap(({ content }, at) => {
      const isMedia = content.case === "image" || content.case === "document";
      if (!isMedia || isInline(content.value)) return [];
      const field = `messages[${index}].parts[${at}].${content.case}`;
      return [{ field, description: "only data is taken, no addresses and no uploaded files" }];
    }),
  );
}

function isInline({ source }: Media): boolean {
  return source.case === "data" || (source.case === "uri" && source.value.startsWith("data:"));
}
