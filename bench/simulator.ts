// The provider of the bench as a process of its own: the simulator on a free port.
import { startSimulator } from "../src/simulator/start-simulator.ts";

const simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
console.log(JSON.stringify({ port: simulator.port }));
process.on("SIGTERM", () => process.exit(0));
