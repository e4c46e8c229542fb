// Short ways to write models, requests and calls for the tests and the simulation of routing.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ModelConfig, TargetConfig } from "../config/config.ts";
import { type CompleteRequest, CompleteRequestSchema, Role } from "../contract.ts";
import type { Caller } from "../domain/principal.ts";
import type { Target } from "../domain/target.ts";
import type { RouteQuery } from "./itinerary.ts";

export const caller: Caller = {
  organisationId: "acme",
  teamId: "platform",
  projectId: "search",
  keyId: "search-prod",
  service: "",
  roles: ["inference"],
  models: ["*"],
};

/** A target at the provider of the same name. */
export function targetConfig(id: string, changes: Partial<TargetConfig> = {}): TargetConfig {
  return { id, providerId: id, model: "m", weight: 1, region: "", zeroDataRetention: false, facts: {}, ...changes };
}

export function modelConfig(
  id: string,
  targets: readonly TargetConfig[],
  changes: Partial<ModelConfig> = {},
): ModelConfig {
  return { id, strategy: "priority", targets, retry: { maxAttempts: 3 }, fallbackModels: [], ...changes };
}

/** As the composition root makes it, for a provider whose kind is its id and whose OpenTelemetry name is "otel.<id>". */
export function targetOf(config: TargetConfig): Target {
  return { ...config, providerKind: config.providerId, providerName: `otel.${config.providerId}` };
}

export function requestOf(
  model: string,
  text = "hello",
  changes: MessageInitShape<typeof CompleteRequestSchema> = {},
): CompleteRequest {
  const messages = [{ role: Role.USER, parts: [{ content: { case: "text" as const, value: { text } } }] }];
  return create(CompleteRequestSchema, { model, messages, ...changes });
}

export function queryOf(request: CompleteRequest, changes: Partial<RouteQuery> = {}): RouteQuery {
  return { caller, request, streaming: false, inputTokens: 100, nowMs: 1_000, deadlineMs: undefined, ...changes };
}
