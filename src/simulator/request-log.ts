// What the simulator was asked, for tests to look at: bounded, and without the secrets that came along.
import { createHash } from "node:crypto";

/** How an exchange ended. `closed-early`: the client closed the connection before the whole answer was sent. */
export type Outcome = "answered" | "broken-off" | "closed-early";

export interface SimulatedRequest {
  readonly wire: string;
  readonly method: string;
  /** With the query; a key in it is replaced. */
  readonly path: string;
  /** Lower-case names. A secret is replaced by a digest of it, so that two keys can be told apart. */
  readonly headers: Readonly<Record<string, string>>;
  /** As text, cut to 64 KiB. */
  readonly body: string;
  /** `undefined` while it is open. */
  readonly outcome: Outcome | undefined;
  /** Resolves when the exchange is over. */
  readonly closed: Promise<Outcome>;
}

const requestsMax = 512;
const bodyBytesMax = 64 * 1024;

export class LoggedRequest implements SimulatedRequest {
  readonly wire: string;
  readonly method: string;
  readonly #url: string;
  readonly #rawHeaders: readonly string[];
  readonly #body: Buffer;
  #outcome: Outcome | undefined;
  #closed: PromiseWithResolvers<Outcome> | undefined;

  constructor(wire: string, method: string, url: string, rawHeaders: readonly string[], body: Buffer) {
    this.wire = wire;
    this.method = method;
    this.#url = url;
    this.#rawHeaders = rawHeaders;
    this.#body = body.length > bodyBytesMax ? Buffer.from(body.subarray(0, bodyBytesMax)) : body;
  }

  get path(): string {
    return this.#url.replace(/([?&](?:key|token)=)[^&]*/g, "$1redacted");
  }

  get headers(): Readonly<Record<string, string>> {
    const headers: Record<string, string> = {};
    for (let index = 0; index + 1 < this.#rawHeaders.length; index += 2) {
      const name = (this.#rawHeaders[index] ?? "").toLowerCase();
      const value = this.#rawHeaders[index + 1] ?? "";
      headers[name] = secretHeaders.has(name) ? digestOf(value) : value;
    }
    return headers;
  }

  get body(): string {
    return this.#body.toString();
  }

  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  get closed(): Promise<Outcome> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers();
      if (this.#outcome !== undefined) this.#closed.resolve(this.#outcome);
    }
    return this.#closed.promise;
  }

  close(outcome: Outcome): void {
    this.#outcome = outcome;
    this.#closed?.resolve(outcome);
  }
}

type Waiter = {
  readonly matches: (request: SimulatedRequest) => boolean;
  readonly resolve: (request: SimulatedRequest) => void;
};

/** The last 512 requests. */
export class RequestLog {
  readonly #requests: LoggedRequest[] = [];
  #waiters: Waiter[] = [];
  #open = 0;

  /** Exchanges under way. */
  get open(): number {
    return this.#open;
  }

  /** Oldest first. */
  get requests(): readonly SimulatedRequest[] {
    return this.#requests;
  }

  add(request: LoggedRequest): void {
    this.#open += 1;
    this.#requests.push(request);
    if (this.#requests.length > requestsMax) this.#requests.shift();
    if (this.#waiters.length === 0) return;
    for (const waiter of this.#waiters.filter(({ matches }) => matches(request))) waiter.resolve(request);
    this.#waiters = this.#waiters.filter(({ matches }) => !matches(request));
  }

  close(request: LoggedRequest, outcome: Outcome): void {
    this.#open -= 1;
    request.close(outcome);
  }

  /** The first request that matches, whether it has come already or is still to come. */
  waitFor(matches: (request: SimulatedRequest) => boolean): Promise<SimulatedRequest> {
    const known = this.#requests.find(matches);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => this.#waiters.push({ matches, resolve }));
  }

  clear(): void {
    this.#requests.length = 0;
  }
}

const secretHeaders: ReadonlySet<string> = new Set([
  "authorization",
  "proxy-authorization",
  "x-api-key",
  "api-key",
  "x-goog-api-key",
  "x-amz-security-token",
  "cookie",
]);

function digestOf(secret: string): string {
  return `sha256:${createHash("sha256").update(secret).digest("hex").slice(0, 16)}`;
}
