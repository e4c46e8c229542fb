import * as z from "zod";
import { defaults, limits } from "../defaults.ts";
import { duration, httpUrl, name, orUnknownKey, secret, secretRule, text, whole } from "./scalars.ts";

const timeout = () => duration({ minMs: 1, maxMs: limits.timeoutMsMax });

const credentialRule =
  "must be { api_key }, { access_token }, { service_account }, { access_key_id, secret_access_key }, { profile }, or one of the words none, metadata, web_identity, container";

const credentials = z
  .union(
    [
      z.enum(["none", "metadata", "web_identity", "container"], { error: credentialRule }),
      z.strictObject(
        {
          api_key: z
            .union([secret, z.array(secret).min(1, "must name a key").max(limits.apiKeysMax)], { error: secretRule })
            .optional()
            .describe("API key, or a list of keys that are used in turn."),
          access_token: secret.optional().describe("OAuth access token (vertex, azure-openai)."),
          service_account: secret.optional().describe("Google service account, its JSON (vertex)."),
          access_key_id: secret.optional().describe("AWS access key id (bedrock)."),
          secret_access_key: secret.optional().describe("AWS secret access key (bedrock)."),
          session_token: secret.optional().describe("AWS session token (bedrock)."),
          profile: text.optional().describe("Profile of the AWS credentials file (bedrock)."),
        },
        { error: orUnknownKey(credentialRule) },
      ),
    ],
    { error: credentialRule },
  )
  .describe(
    "What the provider is called with. Words: `none`; `metadata`, Google's metadata server (vertex); `web_identity`, `container`, AWS roles (bedrock).",
  );

/** One entry of `providers:`. Kinds and dialects come from the code that has them. */
export function providerEntry(known: { readonly kinds: readonly string[]; readonly dialects: readonly string[] }) {
  return z.strictObject({
    id: name.describe("Name that targets and events use."),
    kind: z.enum(known.kinds).describe("Adapter."),
    credentials: credentials.prefault("none"),
    base_url: httpUrl
      .optional()
      .describe("Replaces the provider's own address; the provider's own paths are appended to it."),
    api: z
      .enum(["chat", "responses", "converse", "invoke"])
      .optional()
      .describe(
        "Which of the provider's APIs: chat or responses (openai, azure-openai), converse or invoke (bedrock).",
      ),
    api_version: text.optional().describe("Version of the API (azure-openai, anthropic)."),
    dialect: z
      .enum(known.dialects)
      .optional()
      .describe(`Differences of an openai-compatible server. Absent there: ${defaults.dialect}.`),
    region: name.optional().describe("AWS region (bedrock)."),
    project: name.optional().describe("Google Cloud project (vertex)."),
    location: name.optional().describe("Google Cloud location (vertex)."),
    publisher: z.enum(["google", "anthropic"]).optional().describe("Whose models (vertex)."),
    timeouts: z
      .strictObject({
        connect: timeout().prefault(defaults.connectTimeout).describe("Until the connection stands."),
        first_token: timeout().prefault(defaults.firstTokenTimeout).describe("Until the first content."),
        idle: timeout().prefault(defaults.idleTimeout).describe("Silence between two pieces of the answer."),
        total: timeout().prefault(defaults.totalTimeout).describe("One attempt from beginning to end."),
      })
      .prefault({})
      .describe("Limits on the time of one attempt. The caller's own deadline stands above them."),
    min_rate: z
      .strictObject({
        tokens_per_second: z
          .number({ error: "must be a number" })
          .min(0, "must not be negative")
          .max(limits.tokensPerSecondMax, `must be at most ${limits.tokensPerSecondMax}`)
          .prefault(0)
          .describe("Tokens a second, estimated at 4 characters each. 0: no least speed."),
        window: duration({ minMs: 1_000, maxMs: limits.timeoutMsMax })
          .prefault(defaults.minRateWindow)
          .describe("Time over which the speed is measured, again and again from the first content on."),
      })
      .prefault({})
      .describe("Least speed of a stream: a slower one fails, as one that falls silent does."),
    max_connections: whole(1, limits.connectionsMax)
      .prefault(defaults.maxConnectionsToProvider)
      .describe("Most connections to this provider."),
    http2: z
      .boolean({ error: "must be true or false" })
      .prefault(false)
      .describe("HTTP/2 to the provider: cheaper streams, dearer unary calls."),
  });
}
