import * as z from "zod";
import { httpUrl, secret } from "./scalars.ts";

/** `alerts:` */
export const alertsSection = z.strictObject({
  webhook: httpUrl.describe("Where each alert is posted as JSON, until it answers 2xx or was tried five times."),
  secret: secret.describe(
    'Signs each post: `llmgateway-signature: t=<Unix seconds>,v1=<HMAC-SHA256 of "<t>.<body>" in hex>`.',
  ),
});
