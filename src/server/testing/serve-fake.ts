// The test server as a process of its own, for tests that might hang it. Prints its port.
import { startTestServer } from "./start-test-server.ts";

const { server } = await startTestServer();
process.stdout.write(`${server.port}\n`);
