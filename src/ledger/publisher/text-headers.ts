import type { MsgHdrs } from "@nats-io/transport-node";
import type { NatsModule } from "./connect-nats.ts";

/**
 * Headers that are written once and never read: the client's own class holds each in a map of lists and checks it, which was
 * a third of the cost of publishing an event. `lines`: each ended by CRLF; ours are made of ids and dates.
 */
export function textHeaders(nats: NatsModule, lines: string): MsgHdrs {
  const headers = new nats.MsgHdrsImpl();
  const bytes = Buffer.from(`NATS/1.0\r\n${lines}\r\n`, "utf8");
  headers.encode = () => bytes;
  return headers;
}
