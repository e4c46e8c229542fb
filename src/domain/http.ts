// HTTP as values. Providers build and read these; `upstream/` alone executes them.

/** Lower-case names; repeated values joined by ", ". */
export type HttpHeaders = Readonly<Record<string, string>>;

export type HttpRequest = {
  readonly method: "POST" | "GET";
  /** Scheme, host and port, e.g. "https://api.openai.com". */
  readonly origin: string;
  /** Path and query, e.g. "/v1/chat/completions". */
  readonly path: string;
  readonly headers: HttpHeaders;
  /** Text is sent as UTF-8. Empty for GET. */
  readonly body: string | Uint8Array;
};

export type HttpResponse = {
  readonly status: number;
  readonly headers: HttpHeaders;
  /** Decompressed. */
  readonly body: Uint8Array;
};
