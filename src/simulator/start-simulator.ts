// An HTTP server on loopback that speaks the real formats of the providers, so that every call can be tried, tested and
// measured without an account. What it answers depends on the request and the seed alone; what goes wrong is asked for by
// the model name (`controls.ts`) or by "[sim:…]" in the last message.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { noControls } from "./controls.ts";
import { helpText } from "./help-text.ts";
import { type Plan, type PlanSettings, toFaultPlan, toPlan } from "./plan.ts";
import { PlanCache } from "./plan-cache.ts";
import { play } from "./play.ts";
import { readBody } from "./read-body.ts";
import { type Routed, routeToWire } from "./registry.ts";
import { LoggedRequest, RequestLog, type SimulatedRequest } from "./request-log.ts";
import type { WireFault } from "./wire.ts";

export type SimulatorOptions = {
  /** Default "127.0.0.1". */
  readonly host?: string | undefined;
  /** Default 0: any free port. */
  readonly port?: number | undefined;
  /** Another seed, other answers. Default 1. */
  readonly seed?: number | undefined;
  /** Wait before each token, in milliseconds, for models that name no pace. Default 0. */
  readonly paceMs?: number | undefined;
};

export type Simulator = {
  /** E.g. "http://127.0.0.1:40001": the base address of every simulated API. */
  readonly url: string;
  readonly port: number;
  /** The last 512 requests, oldest first; also at `GET /_sim/requests`. */
  readonly requests: readonly SimulatedRequest[];
  /** Exchanges under way; also at `GET /_sim/open`. */
  readonly open: number;
  /** The first request that matches, also one still to come. */
  waitForRequest(matches: (request: SimulatedRequest) => boolean): Promise<SimulatedRequest>;
  /** Breaks off what is under way. */
  close(): Promise<void>;
};

const connectionsMax = 20_000;
const bodyBytesMax = 64 << 20;

/** Rejects with the error of `listen` when the port is taken. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const log = new RequestLog();
  const settings = { seed: options.seed ?? 1, baseControls: { ...noControls, paceMs: options.paceMs ?? 0 } };
  const server = createServer({ keepAliveTimeout: 60_000 }, toListener(settings, log));
  server.maxConnections = connectionsMax;
  const host = options.host ?? "127.0.0.1";
  const port = await listen(server, host, options.port ?? 0);
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    port,
    get requests() {
      return log.requests;
    },
    get open() {
      return log.open;
    },
    waitForRequest: (matches) => log.waitFor(matches),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

function toListener(
  settings: PlanSettings,
  log: RequestLog,
): (request: IncomingMessage, response: ServerResponse) => void {
  const cache = new PlanCache();
  return (request, response) => {
    const method = request.method ?? "GET";
    const url = request.url ?? "/";
    const path = url.split("?", 1)[0] ?? url;
    if (path === "/" || path.startsWith("/_sim/")) {
      answerAboutItself(method, path, log, response);
      return;
    }
    readBody(request, bodyBytesMax, (body) => {
      const routed = routeToWire(method, path);
      if (routed === undefined) {
        sendJson(response, 404, { error: { message: `the simulator has nothing at ${method} ${path}` } });
        return;
      }
      const logged = new LoggedRequest(routed.wire.name, method, url, request.rawHeaders, body ?? Buffer.alloc(0));
      playLogged(toKnownPlan(routed, request, body), logged, response);
    });
  };

  function toKnownPlan(routed: Routed, request: IncomingMessage, body: Buffer | undefined): Plan {
    const { wire } = routed;
    if (body === undefined) return toFaultPlan(wire, { status: 413, message: "the body is too large" });
    const url = request.url ?? "/";
    const signed = { method: request.method ?? "GET", url, headers: request.headers, body };
    const refusal = refuseKey(request) ?? wire.verify?.(signed);
    if (refusal !== undefined) return toFaultPlan(wire, refusal);
    return cache.take(url, body, () => toPlan(routed, body, settings));
  }

  function playLogged(plan: Plan, logged: LoggedRequest, response: ServerResponse): void {
    log.add(logged);
    response.once("close", () => {
      if (response.writableFinished) log.close(logged, "answered");
      else log.close(logged, plan.ending === "cut" || plan.ending === "reset" ? "broken-off" : "closed-early");
    });
    play(plan, response);
  }
}

/** Any key will do, but two are refused, so that the care of keys can be tried: see `simulate --help`. */
function refuseKey({ headers }: IncomingMessage): WireFault | undefined {
  const key = headers["x-api-key"] ?? headers["api-key"] ?? headers["x-goog-api-key"] ?? headers.authorization;
  if (typeof key !== "string") return undefined;
  if (key.endsWith("sim-key-refused")) return { status: 401, message: "the key is not valid" };
  if (key.endsWith("sim-key-limited")) {
    return { status: 429, message: "this key has reached its rate limit", retryAfterSeconds: 1 };
  }
  return undefined;
}

function answerAboutItself(method: string, path: string, log: RequestLog, response: ServerResponse): void {
  if (path === "/") sendText(response, helpText());
  else if (method === "GET" && path === "/_sim/requests")
    sendJson(response, 200, { requests: log.requests.map(toJson) });
  else if (method === "GET" && path === "/_sim/open") sendJson(response, 200, { open: log.open });
  else if (method === "DELETE" && path === "/_sim/requests") {
    log.clear();
    sendJson(response, 200, { requests: [] });
  } else sendJson(response, 404, { error: { message: "known: GET and DELETE /_sim/requests, GET /_sim/open" } });
}

function toJson({ wire, method, path, headers, body, outcome }: SimulatedRequest): object {
  return { wire, method, path, headers, body, outcome: outcome ?? "open" };
}

function sendText(response: ServerResponse, text: string): void {
  response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${text}\n`);
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
