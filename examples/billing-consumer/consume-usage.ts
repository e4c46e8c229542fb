// A durable pull consumer of usage events: takes a batch, books it in one transaction, acknowledges after the commit. A
// crash between the two means that the batch comes again, and the key on the event id drops it.
import { type Consumer, type JsMsg, jetstream } from "@nats-io/jetstream";
import { type ConnectionOptions, connect } from "@nats-io/transport-node";
import type { BillingDatabase, Booked } from "./billing-database.ts";
import { readUsageMessage } from "./read-usage-message.ts";

export type ConsumeOptions = {
  /** Servers and credentials, as the NATS client takes them. */
  readonly nats: ConnectionOptions;
  /** Default "USAGE". */
  readonly stream?: string;
  /** Durable consumer, made by `llm-gateway nats setup`. Default "billing". */
  readonly consumer?: string;
  readonly database: BillingDatabase;
  /** Hears of each batch after its commit. */
  readonly onBooked?: (booked: Booked) => void;
  /** Hears why a batch is tried again. */
  readonly onRetry?: (error: Error) => void;
  readonly signal: AbortSignal;
};

const batchMax = 256;
const batchWaitMs = 1_000;
const retryMs = 500;

/** Runs until the signal aborts; rides out restarts of NATS. Rejects only when it cannot connect at first. */
export async function consumeUsage(options: ConsumeOptions): Promise<void> {
  const connection = await connect({ maxReconnectAttempts: -1, ...options.nats });
  const stop = (): void => {
    // Ends a fetch that waits; the error is the loop's way out.
    connection.close().catch(() => undefined);
  };
  options.signal.addEventListener("abort", stop);
  try {
    while (!options.signal.aborted) {
      try {
        const consumer = await jetstream(connection).consumers.get(
          options.stream ?? "USAGE",
          options.consumer ?? "billing",
        );
        while (!options.signal.aborted) await bookBatch(consumer, options);
      } catch (error) {
        if (options.signal.aborted) return;
        options.onRetry?.(error instanceof Error ? error : new Error(String(error)));
        await pause(retryMs, options.signal);
      }
    }
  } finally {
    options.signal.removeEventListener("abort", stop);
    await connection.close();
  }
}

async function bookBatch(consumer: Consumer, { database, onBooked }: ConsumeOptions): Promise<void> {
  const messages: JsMsg[] = [];
  for await (const message of await consumer.fetch({ max_messages: batchMax, expires: batchWaitMs }))
    messages.push(message);
  if (messages.length === 0) return;
  const booked = database.book(
    messages.map((message) => ({ event: readUsageMessage(message), payload: message.data })),
  );
  for (const message of messages) message.ack();
  onBooked?.(booked);
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
