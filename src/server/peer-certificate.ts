import { TLSSocket } from "node:tls";
import type { PeerCertificate } from "../pipeline/ports.ts";

/** Looked up for every call, read once for each connection. */
const peerBySocket = new WeakMap<object, PeerCertificate | "none">();

/** The client certificate that the handshake verified; `undefined`: clear text, or a client that showed none. */
export function readPeerCertificate(socket: unknown): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket)) {
    return undefined;
  }
  const known = peerBySocket.get(socket);
  if (known !== undefined) {
    return known === "none" ? undefined : known;
  }
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) {
    peerBySocket.set(socket, "none");
    return undefined;
  }
  const peer = {
    subject: certificate.subject.split("\n").join(", "),
    uris: readUris(certificate.subjectAltName ?? ""),
  };
  peerBySocket.set(socket, peer);
  return peer;
}

/** From Node's one-line form, e.g. `URI:spiffe://acme/search/api, DNS:search`. A value with a comma is a JSON string. */
export function readUris(subjectAltName: string): readonly string[] {
  return [...subjectAltName.matchAll(/(?:^|, )URI:("(?:[^"\\]|\\.)*"|[^,]*)/g)].map(([, value]) => {
    const text = value ?? "";
    return text.startsWith('"') ? String(JSON.parse(text)) : text;
  });
}
