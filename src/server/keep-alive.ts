import type { ServerHttp2Session } from "node:http2";

/** Finds out that a peer is dead, though its TCP connection is not: without this its streams would be kept for hours. */
export function keepAlive(session: ServerHttp2Session, intervalMs: number, timeoutMs: number): void {
  let overdue: NodeJS.Timeout | undefined;
  const timer = setInterval(() => {
    if (overdue !== undefined || session.destroyed) {
      return;
    }
    overdue = setTimeout(() => session.destroy(), timeoutMs);
    overdue.unref();
    session.ping(() => {
      clearTimeout(overdue);
      overdue = undefined;
    });
  }, intervalMs);
  timer.unref();
  session.on("close", () => {
    clearInterval(timer);
    clearTimeout(overdue);
  });
}
