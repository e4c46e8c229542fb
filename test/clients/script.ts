import { InferenceService, ModelService, Role, UsageService } from "../../src/contract.ts";
import { type ScriptedCall, scripted } from "./scripted-call.ts";

export function ask(model: string, text = "Say something about gateways, größer 💥.") {
  return { model, messages: [{ role: Role.USER, parts: [{ content: { case: "text" as const, value: { text } } }] }] };
}

export function askStream(model: string) {
  return { start: { case: "request" as const, value: ask(model) } };
}

const { complete, streamComplete, countTokens } = InferenceService.method;

/** One of each kind of end that a caller can meet. */
export const script: readonly ScriptedCall[] = [
  scripted("a completion", complete, ask("small")),
  scripted("a completion in a stream", streamComplete, askStream("small")),
  scripted("a count of tokens", countTokens, { request: ask("small-claude") }),
  scripted("the models", ModelService.method.listModels, {}),
  scripted("a request that breaks a rule", complete, { ...ask("small"), sampling: { temperature: 7 } }),
  scripted("an empty request", streamComplete, {}),
  scripted("an unknown model", complete, ask("nonsense")),
  scripted("an unknown model in a stream", streamComplete, askStream("nonsense")),
  scripted("a model that is not there to be read", ModelService.method.getModel, { modelId: "nonsense" }),
  scripted("a wrong key", complete, ask("small"), { secret: "wrong" }),
  scripted("a wrong key for usage", UsageService.method.listUsageEvents, {}, { secret: "wrong" }),
  scripted("a provider that limits", complete, ask("limited")),
  scripted("a provider that refuses", complete, ask("refused")),
  scripted("a provider that breaks off", streamComplete, askStream("cut")),
];
