// A provider whose every call costs the same, and that counts what it has served, whoever heard of it.
import { once } from "node:events";
import { createServer, type Server } from "node:http";

export const usageOfCall = { prompt_tokens: 2, completion_tokens: 8, total_tokens: 10 } as const;
/** Prices of simulated models: 400 and 1,600 nano-USD a token. */
export const costOfCall = usageOfCall.prompt_tokens * 400 + usageOfCall.completion_tokens * 1_600;
export type CountingProvider = { readonly port: number; readonly served: number; close(): Promise<void> };

/** Answers every question at once, with the same tokens; counts what it would bill. */
export async function startProvider(): Promise<CountingProvider> {
  let served = 0;
  const choices = [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }];
  const body = JSON.stringify({ id: "c", object: "chat.completion", model: "sim-fixed", choices, usage: usageOfCall });
  const server: Server = createServer((request, response) => {
    request.resume().on("end", () => {
      served += 1;
      response.setHeader("content-type", "application/json");
      response.end(body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    get served() {
      return served;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
