// The same load in HTTP/1.1 with JSON, for the relay and for calls made directly to the provider. One call at a time on a
// connection, so `connections × perConnection` sockets.
import { Pool } from "undici";
import type { LoadTarget, Shape } from "./load.ts";

export type HttpTargetOptions = {
  readonly origin: string;
  readonly body: string;
  readonly secret: string;
  readonly shape: Shape;
};

export function createHttpTarget(options: HttpTargetOptions): LoadTarget {
  const pool = new Pool(options.origin, {
    connections: options.shape.connections * options.shape.perConnection,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const headers = { "content-type": "application/json", authorization: `Bearer ${options.secret}` };
  return {
    call: () =>
      new Promise((resolve) => {
        let status = 0;
        let chunks = 0;
        pool.dispatch(
          { path: "/v1/chat/completions", method: "POST", headers, body: options.body },
          {
            onRequestStart() {},
            onResponseStart(_controller, got) {
              status = got;
            },
            onResponseData(_controller, piece) {
              chunks += eventsIn(piece);
            },
            onResponseEnd() {
              resolve({ ok: status === 200, chunks });
            },
            onResponseError() {
              resolve({ ok: false, chunks });
            },
          },
        );
      }),
    close: () => pool.close(),
  };
}

/** SSE events in a piece: line feeds that follow a line feed. A pair cut by the socket is missed, as good as never. */
function eventsIn(piece: Buffer): number {
  let events = 0;
  for (let at = piece.indexOf("\n\n"); at !== -1; at = piece.indexOf("\n\n", at + 2)) events += 1;
  return events;
}
