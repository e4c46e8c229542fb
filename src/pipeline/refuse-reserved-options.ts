// Options in a provider's own words go to the provider as they are. Those that decide who serves a call, what is asked, how
// long the answer may be and at which price are fields of the contract: policy, routing, limits and budgets look at them
// there, and nowhere else.
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { type CompleteRequest, ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";

/** Without case and separators, since providers spell alike things apart. */
const reserved: ReadonlySet<string> = new Set([
  // Who serves.
  "model",
  "models",
  "modelid",
  // What is asked, and how it is answered.
  "messages",
  "input",
  "contents",
  "prompt",
  "system",
  "systeminstruction",
  "instructions",
  "tools",
  "toolconfig",
  "functions",
  "modalities",
  "responsemodalities",
  "stream",
  "streamoptions",
  "background",
  // How much of it.
  "maxtokens",
  "maxcompletiontokens",
  "maxoutputtokens",
  "maxtokenstosample",
  "numpredict",
  "n",
  "bestof",
  "candidatecount",
  "samplecount",
  "numberofimages",
  // At which price.
  "servicetier",
]);

/** Objects in which providers put such options. */
const containers: ReadonlySet<string> = new Set([
  "generationconfig",
  "inferenceconfig",
  "options",
  "parameters",
  "additionalmodelrequestfields",
]);

/** Throws `CallFailure` INVALID_REQUEST when options of the request say what its fields must say. */
export function refuseReservedOptions(request: CompleteRequest): void {
  for (const provider in request.providerOptions) {
    const options = request.providerOptions[provider];
    const found = options === undefined ? undefined : findReserved(options);
    if (found !== undefined) throw reservedOption(`provider_options.${provider}.${found}`);
  }
  request.tools.forEach(({ providerOptions }, index) => {
    // A function that turns into a tool which the provider runs, for a fee.
    const provider = Object.keys(providerOptions).find((name) => providerOptions[name]?.["type"] !== undefined);
    if (provider !== undefined) throw reservedOption(`tools[${index}].provider_options.${provider}.type`);
  });
}

function findReserved(options: JsonObject): string | undefined {
  for (const name in options) {
    const word = toWord(name);
    if (reserved.has(word)) return name;
    const inner = containers.has(word) ? options[name] : undefined;
    const found = isObject(inner) ? findReserved(inner) : undefined;
    if (found !== undefined) return `${name}.${found}`;
  }
  return undefined;
}

function toWord(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z]/g, "");
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function reservedOption(field: string): CallFailure {
  return new CallFailure(
    ErrorReason.INVALID_REQUEST,
    "an option of a provider says what a field of the request must say",
    {
      violations: [{ field, description: "is said by the fields of the request, which limits and budgets go by" }],
    },
  );
}
