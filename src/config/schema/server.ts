import * as z from "zod";
import { defaults, limits } from "../defaults.ts";
import { duration, listenAddress, path, size, whole } from "./scalars.ts";

/** `server:` */
export const serverSection = z.strictObject({
  listen: listenAddress
    .prefault(defaults.listen)
    .describe("Address of the one port: gRPC, gRPC-Web, Connect, reflection, health, `/livez`, `/readyz`, `/metrics`."),
  tls: z
    .strictObject({
      cert_file: path.describe("Certificate chain, PEM."),
      key_file: path.describe("Private key, PEM."),
      client_ca_file: path.optional().describe("Certificates that client certificates are checked against, PEM."),
    })
    .optional()
    .describe("TLS on the port. Absent: clear text."),
  max_request_bytes: size({ min: limits.requestBytesMin, max: limits.requestBytesMax })
    .prefault(defaults.maxRequestBytes)
    .describe("Largest request message."),
  max_connections: whole(1, limits.connectionsMax)
    .prefault(defaults.maxConnections)
    .describe("Most open connections; more are refused."),
  max_streams_per_connection: whole(1, limits.connectionsMax)
    .prefault(defaults.maxStreamsPerConnection)
    .describe("Most calls at once on one HTTP/2 connection."),
  drain_timeout: duration({ minMs: 0, maxMs: limits.timeoutMsMax })
    .prefault(defaults.drainTimeout)
    .describe("How long calls in flight may go on after SIGTERM."),
  heartbeat_interval: duration({ minMs: 1000, maxMs: limits.timeoutMsMax })
    .prefault(defaults.heartbeatInterval)
    .describe("Silence on a stream after which a heartbeat is sent."),
});
