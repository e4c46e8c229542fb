import type { NodeRequest, NodeResponse } from "./node-http.ts";
import type { ServingState } from "./serving-state.ts";

export type MetricsSource = {
  /** The exposition text. */
  readonly text: () => string | Promise<string>;
  readonly contentType: string;
};

/** Answers the three plain GET addresses for probes and scrapers; false: the path is not one of them. */
export function answerHttp(
  request: NodeRequest,
  response: NodeResponse,
  state: ServingState,
  metrics: MetricsSource,
): boolean {
  const isRead = request.method === "GET" || request.method === "HEAD";
  switch (isRead ? pathOf(request) : undefined) {
    case "/livez":
      sendText(response, 200, "ok\n");
      return true;
    case "/readyz":
      if (state.isServing) {
        sendText(response, 200, "ready\n");
      } else {
        sendText(response, 503, "not ready\n");
      }
      return true;
    case "/metrics":
      sendMetrics(response, metrics);
      return true;
    default:
      return false;
  }
}

export function pathOf(request: NodeRequest): string {
  return (request.url ?? "").split("?", 1)[0] ?? "";
}

export function sendText(
  response: NodeResponse,
  status: number,
  text: string,
  contentType = "text/plain; charset=utf-8",
): void {
  if (response.headersSent || response.writableEnded) {
    return;
  }
  response.writeHead(status, { "content-type": contentType, "cache-control": "no-store" });
  response.write(text);
  response.end();
}

function sendMetrics(response: NodeResponse, metrics: MetricsSource): void {
  Promise.resolve()
    .then(() => metrics.text())
    .then(
      (text) => sendText(response, 200, text, metrics.contentType),
      // What went wrong is the scraper's 500; the source logs for itself.
      () => sendText(response, 500, "metrics cannot be read\n"),
    );
}
