// The entry of a worker: a whole gateway that takes its connections, and what it shares with the others, from the primary
// process. Signals are for that process; a worker whose primary process has gone drains and ends.
import { enableCompileCache } from "node:module";

enableCompileCache();
const { boundYoungGeneration } = await import("../bound-young-generation.ts");
boundYoungGeneration(); // Before anything else is loaded.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
const { runWorker } = await import("./run-worker.ts");
runWorker();
