// What a call cost and where that is told: prices, the journal, NATS, and the state that replicas share.
import * as z from "zod";
import { defaults, limits } from "../defaults.ts";
import { duration, path, secret, size } from "./scalars.ts";

const natsUrlRule =
  'must be an address with nats:// or tls://, without user and password, e.g. "nats://127.0.0.1:4222"';
const driftRule = "must be a fraction from 0.001 to 10, e.g. 0.05";
const inboxRule = 'must be tokens of letters, digits, _ and -, joined by "."';

const connection = {
  servers: z
    .array(z.string({ error: natsUrlRule }).refine(isNatsUrl, natsUrlRule))
    .min(1, "must name a server")
    .max(limits.serversMax, `must name at most ${limits.serversMax} servers`)
    .describe("Addresses of one cluster. With `tls://` a server that offers no TLS is refused."),
  credentials: secret.optional().describe("The content of a `.creds` file."),
  nkey: secret.optional().describe("Seed of an nkey."),
  inbox_prefix: z
    .string({ error: inboxRule })
    .max(limits.nameLengthMax, inboxRule)
    .regex(/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/, inboxRule)
    .prefault(defaults.inboxPrefix)
    .describe("Beginning of the subjects of replies: the user's permissions must allow `<inbox_prefix>.>`."),
  tls: z
    .strictObject({
      ca_file: path.optional().describe("Certificates that the server's is checked against, PEM."),
      cert_file: path.optional().describe("Client certificate, PEM."),
      key_file: path.optional().describe("Its private key, PEM."),
    })
    .optional()
    .describe("TLS to NATS beyond what the address says."),
};

/** `usage:` */
export const usageSection = z.strictObject({
  journal: z
    .strictObject({
      durability: z
        .enum(["fsync", "os"])
        .prefault("fsync")
        .describe("`fsync`: an event is on the disk before the answer ends; `os`: it is with the operating system."),
      retain: duration({ minMs: 60_000, maxMs: limits.retainMsMax })
        .prefault(defaults.journalRetain)
        .describe("How long published events stay readable."),
      max_bytes: size({ min: limits.journalBytesMin, max: limits.journalBytesMax })
        .prefault(defaults.journalMaxBytes)
        .describe("Room for events; when unpublished ones fill it, calls are refused."),
    })
    .prefault({})
    .describe("The log of usage events in `data_dir`."),
  nats: z
    .strictObject({
      ...connection,
      stream: z
        .string({ error: "must be the name of a stream" })
        .regex(/^[A-Za-z0-9_-]{1,64}$/, "must be the name of a stream: letters, digits, _ and -")
        .prefault(defaults.stream)
        .describe("JetStream stream; `llm-gateway nats setup` makes it."),
      subject_prefix: z
        .string({ error: "must be the beginning of a subject" })
        .regex(/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/, 'must be tokens of letters, digits, _ and -, joined by "."')
        .prefault(defaults.subjectPrefix)
        .describe("Beginning of the subjects."),
      format: z.enum(["protobuf", "cloudevents-json"]).prefault("protobuf").describe("How an event is written."),
    })
    .optional()
    .describe("Where events are published. Absent: they stay in the journal, and UsageService still answers."),
});

/** `cluster:` */
export const clusterSection = z.strictObject({
  nats: z.strictObject(connection).describe("NATS that holds the state which replicas share."),
});

/** `prices:` */
export const pricesSection = z.strictObject({
  overrides: path
    .optional()
    .describe(
      "File with prices of your own: a list of `{ provider, model, input, output, cache_read, … }`, in nano-USD per million units.",
    ),
  drift_threshold: z
    .number({ error: driftRule })
    .min(0.001, driftRule)
    .max(10, driftRule)
    .prefault(defaults.driftThreshold)
    .describe(
      "Difference between the costs that a provider reports and ours above which is warned, e.g. 0.05 for 5 %.",
    ),
});

function isNatsUrl(written: string): boolean {
  const url = URL.parse(written);
  if (url === null || !["nats:", "tls:"].includes(url.protocol)) return false;
  return url.hostname !== "" && url.username === "" && url.password === "";
}
