// The bare Node relay that every figure is a ratio to: the least that a gateway must do, and nothing more. HTTP/1.1 in,
// key checked by its digest, JSON parsed, the model rewritten, sent on over undici's dispatch, and the answer parsed and
// rewritten on the way back: whole for a unary call, event by event for a stream. No limits, no log, no bill.
//
//   node bench/relay.ts <provider origin>        prints {"port": N}
import { hash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";

const origin = process.argv[2] ?? "";
const secret = "bench-secret";
const digests = new Set([hash("sha256", secret, "hex")]);
const pool = new Pool(origin, { connections: 512, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });

function relay(request: IncomingMessage, response: ServerResponse): void {
  const token = (request.headers.authorization ?? "").slice("Bearer ".length);
  if (!digests.has(hash("sha256", token, "hex"))) {
    response.writeHead(401).end();
    return;
  }
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => send(JSON.parse(Buffer.concat(pieces).toString()), response));
}

function send(body: { model: string; stream?: boolean }, response: ServerResponse): void {
  const isStream = body.stream === true;
  const answer: Buffer[] = [];
  let rest = "";
  pool.dispatch(
    {
      path: "/v1/chat/completions",
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer provider" },
      body: JSON.stringify(body),
    },
    {
      onRequestStart() {},
      onResponseStart(_controller, status) {
        if (isStream) response.writeHead(status, { "content-type": "text/event-stream" });
      },
      onResponseData(_controller, piece) {
        if (!isStream) {
          answer.push(piece);
          return;
        }
        const events = (rest + piece.toString()).split("\n\n");
        rest = events.pop() ?? "";
        let out = "";
        for (const event of events) out += rewritten(event);
        if (out !== "") response.write(out);
      },
      onResponseEnd() {
        if (isStream) {
          response.end();
          return;
        }
        const parsed = JSON.parse(Buffer.concat(answer).toString()) as { model: string };
        parsed.model = "alias";
        const text = JSON.stringify(parsed);
        response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
        response.end(text);
      },
      onResponseError() {
        response.destroy();
      },
    },
  );
}

function rewritten(event: string): string {
  const data = event.slice("data: ".length);
  if (data === "[DONE]") return "data: [DONE]\n\n";
  const parsed = JSON.parse(data) as { model: string };
  parsed.model = "alias";
  return `data: ${JSON.stringify(parsed)}\n\n`;
}

const server = createServer(relay);
server.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }));
});
process.on("SIGTERM", () => process.exit(0));
