// Runs the consumer: `node examples/billing-consumer/main.ts [nats://127.0.0.1:4222] [billing.sqlite]`.
import { BillingDatabase } from "./billing-database.ts";
import { consumeUsage } from "./consume-usage.ts";

const [servers = "nats://127.0.0.1:4222", path = "billing.sqlite"] = process.argv.slice(2);
const abort = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort());
const database = new BillingDatabase(path);
try {
  await consumeUsage({
    nats: { servers },
    database,
    onBooked: ({ booked, duplicates, unreadable }) =>
      process.stdout.write(`booked ${booked}, dropped ${duplicates} doubles, kept ${unreadable} unreadable\n`),
    onRetry: (error) => process.stderr.write(`trying again: ${error.message}\n`),
    signal: abort.signal,
  });
} finally {
  database.close();
}
