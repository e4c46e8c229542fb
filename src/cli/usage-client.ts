import { readFileSync } from "node:fs";
import { type Client, Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { UsageService } from "../contract.ts";
import { CommandError } from "./command-error.ts";

export type GatewayAddress = {
  /** "host:port", or with "http://" or "https://" before it. */
  readonly address: string;
  /** Secret of a key that may call what is called. */
  readonly key: string | undefined;
  /** PEM file with certificates that the gateway's is checked against. */
  readonly ca?: string | undefined;
};

/** A client of a running gateway's UsageService. Throws `CommandError` when it cannot be made of these options. */
export function createUsageClient(gateway: GatewayAddress): Client<typeof UsageService> {
  return createClient(UsageService, createGatewayTransport(gateway));
}

/** Calls to a running gateway with a key. Throws `CommandError` when it cannot be made of these options. */
export function createGatewayTransport(gateway: GatewayAddress): Transport {
  const { key } = gateway;
  if (key === undefined || key === "") {
    throw new CommandError("say a key: set LLM_GATEWAY_KEY, or write --key", { exitCode: 2 });
  }
  const baseUrl = /^https?:\/\//.test(gateway.address) ? gateway.address : `http://${gateway.address}`;
  if (URL.parse(baseUrl) === null) throw new CommandError("--address must be host:port or a URL", { exitCode: 2 });
  const authorise: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${key}`);
    return next(request);
  };
  const nodeOptions = gateway.ca === undefined ? {} : { ca: readCertificates(gateway.ca) };
  return createGrpcTransport({ baseUrl, interceptors: [authorise], nodeOptions });
}

/** One line for what a call of the gateway failed with. */
export function toCommandError(error: unknown, address: string): CommandError {
  if (error instanceof CommandError) return error;
  const failure = ConnectError.from(error);
  if (failure.code === Code.Unavailable) {
    return new CommandError(`no gateway answers at ${address}; is it running?`, { cause: error });
  }
  if (failure.code === Code.Unauthenticated)
    return new CommandError("the gateway does not know this key", { cause: error });
  return new CommandError(`the gateway says: ${failure.rawMessage} (${Code[failure.code]})`, { cause: error });
}

function readCertificates(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new CommandError(`--ca: ${file} cannot be read`, { exitCode: 2, cause });
  }
}
