import { readFileSync } from "node:fs";
import type { Config } from "../../config/config.ts";
import type { TlsOptions } from "../../server/port.ts";

/** The server's certificate files as they are now; `undefined`: clear text. Throws when one cannot be read. */
export function readCertificates({ tls }: Config["server"]): TlsOptions | undefined {
  return tls === undefined
    ? undefined
    : {
        cert: readFileSync(tls.certFile),
        key: readFileSync(tls.keyFile),
        clientCa: tls.clientCaFile === undefined ? undefined : readFileSync(tls.clientCaFile),
      };
}
