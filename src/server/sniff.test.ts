import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

// A server that spins answers nobody, the test's own timers included: it runs as a process that can be ended.
it("answers others while a client has sent one byte and waits", async () => {
  const script = fileURLToPath(new URL("testing/serve-fake.ts", import.meta.url));
  const server = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [printed] = await once(server.stdout, "data");
    const port = Number(String(printed).trim());
    const waiting = connect(port, "127.0.0.1");
    await once(waiting, "connect");
    waiting.write("P");
    // Asked twice: the byte is there at the second time, whatever the order was at the first.
    for (const _ of [1, 2]) {
      const answer = await fetch(`http://127.0.0.1:${port}/livez`, { signal: AbortSignal.timeout(10_000) });
      expect(answer.status).toBe(200);
    }
    waiting.destroy();
  } finally {
    server.kill("SIGKILL");
  }
});
