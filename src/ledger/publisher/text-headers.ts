import type { MsgHdrs } from "@nats-io/transport-node";
import type { NatsModule } from "./connect-nats.ts";

/**
 * Headers that are written once and never read: the client's own class holds each in a map of lists and checks it, which was
 * a third of the cost of publishing an event. Names and values must be free of line breaks; ours are made of ids and dates.
 */
export function textHeaders(nats: NatsModule, ...lists: readonly (readonly (readonly [string, string])[])[]): MsgHdrs {
  let text = "NATS/1.0\r\n";
  for (const list of lists) for (const [name, value] of list) text += `${name}: ${value}\r\n`;
  const headers = new nats.MsgHdrsImpl();
  const bytes = Buffer.from(`${text}\r\n`, "utf8");
  headers.encode = () => bytes;
  return headers;
}
