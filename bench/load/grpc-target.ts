// A gRPC client that costs as little as it can: prebuilt request frames over node:http2, answers counted and not decoded.
// The load runs on the core that the gateway does not have.
import { type ClientHttp2Session, connect } from "node:http2";
import type { LoadTarget, Shape } from "./load.ts";

export type GrpcTargetOptions = {
  readonly origin: string;
  /** E.g. "/llmgateway.v1.InferenceService/Complete". */
  readonly path: string;
  /** The encoded request message. */
  readonly message: Uint8Array;
  readonly secret: string;
  readonly shape: Shape;
};

export async function createGrpcTarget(options: GrpcTargetOptions): Promise<LoadTarget> {
  const frame = Buffer.alloc(5 + options.message.length);
  frame.writeUInt32BE(options.message.length, 1);
  frame.set(options.message, 5);
  const sessions = await Promise.all(Array.from({ length: options.shape.connections }, () => open(options.origin)));
  const headers = {
    ":method": "POST",
    ":path": options.path,
    "content-type": "application/grpc+proto",
    te: "trailers",
    authorization: `Bearer ${options.secret}`,
  };
  return {
    call: (connection) =>
      new Promise((resolve) => {
        const session = sessions[connection];
        if (session === undefined) throw new Error("no such connection");
        const stream = session.request(headers);
        const counter = new FrameCounter();
        let status = "";
        stream.on("response", (got) => {
          status = String(got["grpc-status"] ?? "");
        });
        stream.on("trailers", (got) => {
          status = String(got["grpc-status"] ?? "");
        });
        stream.on("data", (piece: Buffer) => counter.take(piece));
        stream.on("error", () => {});
        stream.on("close", () => resolve({ ok: status === "0", chunks: counter.frames }));
        stream.end(frame);
      }),
    close: async () => {
      await Promise.all(sessions.map((session) => new Promise<void>((done) => session.close(done))));
    },
  };
}

function open(origin: string): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(origin, { settings: { initialWindowSize: 1 << 20 } });
    session.once("connect", () => {
      session.setLocalWindowSize(8 << 20);
      resolve(session);
    });
    session.once("error", reject);
  });
}

/** Counts length-prefixed messages over any cutting of the bytes. */
class FrameCounter {
  frames = 0;
  #header = Buffer.alloc(5);
  #headerBytes = 0;
  #bodyLeft = 0;

  take(piece: Buffer): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#bodyLeft > 0) {
        const step = Math.min(this.#bodyLeft, piece.length - at);
        this.#bodyLeft -= step;
        at += step;
        continue;
      }
      const step = Math.min(5 - this.#headerBytes, piece.length - at);
      piece.copy(this.#header, this.#headerBytes, at, at + step);
      this.#headerBytes += step;
      at += step;
      if (this.#headerBytes < 5) return;
      this.frames += 1;
      this.#headerBytes = 0;
      this.#bodyLeft = this.#header.readUInt32BE(1);
    }
  }
}
