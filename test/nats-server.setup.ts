// Before any test file: makes sure that a nats-server is there, and tells the test processes where. A machine without
// one fails only the tests that start a server, each with the sentence that says what to install.
import { ensureNats } from "../scripts/ensure-nats.ts";

export default async function setup(): Promise<void> {
  try {
    process.env["NATS_SERVER_BIN"] = await ensureNats();
  } catch (error) {
    process.env["NATS_SERVER_MISSING"] = error instanceof Error ? error.message : String(error);
  }
}
