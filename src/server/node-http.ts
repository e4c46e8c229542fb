import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2Request } from "./http2/plain/http2-request.ts";
import type { Http2Response } from "./http2/plain/http2-response.ts";

/** Either version of HTTP, as Node's handlers know it. */
export type NodeRequest = IncomingMessage | Http2Request;
export type NodeResponse = ServerResponse | Http2Response;
