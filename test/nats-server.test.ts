import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NatsServer, startNats } from "./nats-server.ts";

describe("a real nats-server in a test", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(async () => {
    await server.stop();
  });

  it("answers at its url, with JetStream, and again after a kill and a restart", async () => {
    for (const life of [1, 2]) {
      const connection = await connect({ servers: server.url, reconnect: false });
      expect(connection.info?.jetstream, `life ${life}`).toBe(true);
      await connection.close();
      await server.kill();
      await server.restart();
    }
  });
});
