import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { universalResponseToNodeResponse } from "@connectrpc/connect-node";

export type NodeRequest = IncomingMessage | Http2ServerRequest;

/** What HTTP/1.1 and HTTP/2 responses have in common, in connect-node's words. */
export type NodeResponse = Parameters<typeof universalResponseToNodeResponse>[1];
