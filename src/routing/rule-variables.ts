import type { CelInput } from "@bufbuild/cel";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { capabilityBit, neededBy } from "./capabilities.ts";
import { type Classification, classify } from "./classify.ts";
import type { RouteQuery } from "./itinerary.ts";

type Facts = { readonly query: RouteQuery; readonly needs: () => number; readonly judged: () => Classification };

/** `request.<field>` of a rule: its value, and one of the same CEL type for the check of a rule. */
const requestFields = {
  model: ({ query }) => query.request.model,
  input_tokens: ({ query }) => BigInt(Math.round(query.inputTokens)),
  streaming: ({ query }) => query.streaming,
  has_tools: ({ query }) => query.request.tools.length > 0,
  has_images: ({ needs }) => (needs() & capabilityBit.image) !== 0,
  has_audio: ({ needs }) => (needs() & capabilityBit.audio) !== 0,
  has_documents: ({ needs }) => (needs() & capabilityBit.document) !== 0,
  has_schema: ({ query }) => query.request.responseFormat?.format.case === "jsonSchema",
  /** 0: the caller named none. */
  max_output_tokens: ({ query }) => BigInt(query.request.sampling?.maxOutputTokens ?? 0),
  message_count: ({ query }) => BigInt(query.request.messages.length),
  end_user_id: ({ query }) => query.request.endUserId,
  conversation_id: ({ query }) => query.request.conversationId,
  service_tier: ({ query }) => query.request.serviceTier,
  /** The label "task", else what the classifier makes of it. */
  task: ({ query, judged }) => query.request.labels["task"] ?? judged().task,
  complexity: ({ judged }) => judged().complexity,
  language: ({ judged }) => judged().language,
} as const satisfies Record<string, (facts: Facts) => CelInput>;

const callerFields = {
  organisation: ({ query }) => query.caller.organisationId,
  team: ({ query }) => query.caller.teamId,
  project: ({ query }) => query.caller.projectId,
  key: ({ query }) => query.caller.keyId,
  service: ({ query }) => query.caller.service,
  roles: ({ query }) => [...query.caller.roles],
} as const satisfies Record<string, (facts: Facts) => CelInput>;

/** Names that a rule may use. */
export const ruleNames: {
  readonly variables: ReadonlySet<string>;
  readonly request: ReadonlySet<string>;
  readonly caller: ReadonlySet<string>;
} = {
  variables: new Set(["request", "caller", "labels", "now"]),
  request: new Set(Object.keys(requestFields)),
  caller: new Set(Object.keys(callerFields)),
};

/** Values for one request. `fields`: those of `request` that the rules use, since some cost a look at the messages. */
export function ruleVariables(query: RouteQuery, fields: ReadonlySet<string>): Readonly<Record<string, CelInput>> {
  let needs: number | undefined;
  let judged: Classification | undefined;
  const facts: Facts = {
    query,
    needs: () => {
      needs ??= neededBy(query.request);
      return needs;
    },
    judged: () => {
      judged ??= classify(query.request, query.inputTokens);
      return judged;
    },
  };
  const request = new Map<string, CelInput>();
  for (const [name, read] of Object.entries(requestFields)) {
    if (fields.has(name)) request.set(name, read(facts));
  }
  const caller = new Map<string, CelInput>();
  for (const [name, read] of Object.entries(callerFields)) caller.set(name, read(facts));
  return {
    request,
    caller,
    labels: new Map(Object.entries(query.request.labels)),
    now: timestampFromMs(query.nowMs),
  };
}
