// ModelService: what the caller may name, and what every target behind that name can do. A fact that one target lacks, or
// that nobody knows, is not promised.
import { create } from "@bufbuild/protobuf";
import {
  Capability,
  ErrorReason,
  type GetModelRequest,
  type GetModelResponse,
  GetModelResponseSchema,
  type ListModelsRequest,
  type ListModelsResponse,
  ListModelsResponseSchema,
  type Modality,
  type Model,
  ModelSchema,
  ModelState,
  Operation,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { modalityByName } from "../domain/modality.ts";
import type { Caller } from "../domain/principal.ts";
import type { ModelFacts, ModelOperation, Target } from "../domain/target.ts";
import { authoriseMethod, mayUseModel, modelRefusal } from "../policy/authorise.ts";
import type { Router } from "../routing/itinerary.ts";
import type { PipelineParts } from "./pipeline-parts.ts";
import type { Clock, Pricer } from "./ports.ts";

export type ModelDirectoryParts = {
  readonly router: Pick<Router, "modelIds" | "reachableTargets">;
  readonly providers: PipelineParts["providers"];
  readonly pricer: Pricer;
  readonly clock: Clock;
  /** Whether a target may be called now; by target id. */
  readonly isHealthy: (targetId: string) => boolean;
};

const pageSizeDefault = 100;
const pageSizeMax = 1_000;

export class ModelDirectory {
  readonly #parts: ModelDirectoryParts;

  constructor(parts: ModelDirectoryParts) {
    this.#parts = parts;
  }

  list(caller: Caller, request: ListModelsRequest): ListModelsResponse {
    authoriseMethod(caller, "llmgateway.v1.ModelService/ListModels");
    const size = Math.min(request.pageSize === 0 ? pageSizeDefault : request.pageSize, pageSizeMax);
    const after = request.pageToken === "" ? "" : tokenToId(request.pageToken);
    const models = this.#parts.router.modelIds
      .filter((id) => id > after && mayUseModel(caller, id))
      .sort()
      .map((id) => this.#toModel(id, caller))
      .filter((model) => model !== undefined && isWanted(model, request)) as Model[];
    const page = models.slice(0, size);
    const last = page.at(-1);
    const nextPageToken = models.length > size && last !== undefined ? idToToken(last.modelId) : "";
    return create(ListModelsResponseSchema, { models: page, nextPageToken });
  }

  get(caller: Caller, request: GetModelRequest): GetModelResponse {
    authoriseMethod(caller, "llmgateway.v1.ModelService/GetModel");
    const model = mayUseModel(caller, request.modelId) ? this.#toModel(request.modelId, caller) : undefined;
    if (model === undefined) throw modelRefusal(caller, request.modelId);
    return create(GetModelResponseSchema, { model });
  }

  #toModel(modelId: string, caller: Caller): Model | undefined {
    const targets = this.#parts.router.reachableTargets(modelId, caller);
    const first = targets?.[0];
    if (targets === undefined || first === undefined) return undefined;
    const facts = targets.map((target) => target.facts);
    const priced = this.#pricesOf(first, caller);
    const contextWindow = least(facts.map((fact) => fact.contextWindow));
    const maxOutputTokens = least(facts.map((fact) => fact.maxOutputTokens));
    return create(ModelSchema, {
      modelId,
      displayName: modelId,
      aliasOf: first.model === modelId ? "" : first.model,
      providers: [...new Set(targets.map((target) => target.providerName))],
      operations: this.#operationsOf(targets),
      inputModalities: modalitiesOf(facts.map((fact) => fact.inputModalities)),
      outputModalities: modalitiesOf(facts.map((fact) => fact.outputModalities)),
      capabilities: capabilitiesOf(facts),
      ...(contextWindow === undefined ? {} : { contextWindow }),
      ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
      prices: [...(priced?.prices ?? [])],
      priceListVersion: priced?.version ?? "",
      state: targets.some((target) => this.#parts.isHealthy(target.id)) ? ModelState.ACTIVE : ModelState.UNAVAILABLE,
      regions: [...new Set(targets.map((target) => target.region).filter((region) => region !== ""))],
    });
  }

  /** What every target is for and its provider does. A model of which nothing is known is taken to chat. */
  #operationsOf(targets: readonly Target[]): Operation[] {
    return operationTable
      .filter(([name]) => targets.every((target) => this.#does(target, name)))
      .flatMap(([, operations]) => operations);
  }

  #does({ providerId, facts }: Target, name: ModelOperation): boolean {
    const provider = this.#parts.providers.get(providerId)?.provider;
    return provider?.[name] !== undefined && (facts.operations ?? ["chat"]).includes(name);
  }

  #pricesOf(target: Target, caller: Caller): ReturnType<Pricer["prices"]> {
    return this.#parts.pricer.prices({
      providerId: target.providerId,
      providerName: target.providerName,
      model: target.model,
      projectId: caller.projectId,
      serviceTier: "",
      atMs: this.#parts.clock.nowMs(),
    });
  }
}

function isWanted(model: Model, request: ListModelsRequest): boolean {
  if (request.provider !== "" && !model.providers.includes(request.provider)) return false;
  if (request.operation !== Operation.UNSPECIFIED && !model.operations.includes(request.operation)) return false;
  return request.capabilities.every((capability) => model.capabilities.includes(capability));
}

/** `undefined` as soon as one is not known. */
function least(values: readonly (number | undefined)[]): number | undefined {
  return values.reduce((low, value) => (low === undefined || value === undefined ? undefined : Math.min(low, value)));
}

function modalitiesOf(lists: readonly (readonly string[] | undefined)[]): Modality[] {
  const [first, ...rest] = lists.map((list) => list ?? ["text"]);
  const common = (first ?? []).filter((name) => rest.every((list) => list.includes(name)));
  const byName: Readonly<Record<string, Modality>> = modalityByName;
  return common.map((name) => byName[name]).filter((modality) => modality !== undefined);
}

const operationTable: readonly (readonly [ModelOperation, readonly Operation[]])[] = [
  ["chat", [Operation.CHAT, Operation.COUNT_TOKENS]],
  ["embed", [Operation.EMBEDDINGS]],
  ["rerank", [Operation.RERANK]],
  ["moderate", [Operation.MODERATION]],
  ["generateImages", [Operation.IMAGE_GENERATION]],
  ["speech", [Operation.SPEECH]],
  ["transcribe", [Operation.TRANSCRIPTION]],
];

const capabilityTable: readonly (readonly [Capability, (facts: ModelFacts) => boolean])[] = [
  [Capability.STREAMING, () => true],
  [Capability.TOOLS, (facts) => facts.tools === true],
  [Capability.JSON_SCHEMA, (facts) => facts.jsonSchema === true],
  [Capability.REASONING, (facts) => facts.reasoning === true],
];

function capabilitiesOf(facts: readonly ModelFacts[]): Capability[] {
  return capabilityTable.filter(([, has]) => facts.every(has)).map(([capability]) => capability);
}

function idToToken(modelId: string): string {
  return Buffer.from(modelId, "utf8").toString("base64url");
}

function tokenToId(token: string): string {
  const id = Buffer.from(token, "base64url").toString("utf8");
  if (id === "" || idToToken(id) !== token) {
    throw new CallFailure(ErrorReason.INVALID_REQUEST, "the page token is not one of ours", {
      violations: [{ field: "page_token", description: "take it from the response before, unchanged" }],
    });
  }
  return id;
}
