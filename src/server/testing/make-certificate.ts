// X.509 certificates made on the spot, so that no key stands in the repository. DER as RFC 5280 has it, P-256 throughout.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

export type Certified = {
  readonly cert: string;
  readonly key: string;
  readonly name: string;
  readonly keyObject: KeyObject;
};

/**
 * Signed by `issuer`, or by itself as an authority. `uri` goes into the alternative names beside 127.0.0.1. It holds for 25
 * hours from `fromMs` (Unix) on; default: an hour ago.
 */
export function makeCertificate(
  name: string,
  issuer?: Certified,
  uri?: string,
  fromMs = Date.now() - 3_600_000,
): Certified {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const isAuthority = issuer === undefined;
  const toBeSigned = sequence(
    tagged(0xa0, integer(2)),
    // DER wants the shortest form: a first byte of 0 before one below 128 is refused, so serials have four bytes.
    integer(0x40000000 + Math.floor(Math.random() * 0x3fffffff)),
    ecdsaWithSha256,
    distinguishedName(issuer?.name ?? name),
    sequence(utcTime(fromMs), utcTime(fromMs + 90_000_000)),
    distinguishedName(name),
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(isAuthority ? authorityExtension : alternativeNames(uri))),
  );
  const signature = sign("sha256", toBeSigned, issuer?.keyObject ?? privateKey);
  const der = sequence(toBeSigned, ecdsaWithSha256, tagged(0x03, Buffer.from([0]), signature));
  // No empty line before the last one, which a length that 48 divides would give: OpenSSL refuses it.
  const lines = (der.toString("base64").match(/.{1,64}/g) ?? []).join("\n");
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    name,
    keyObject: privateKey,
  };
}

function tagged(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag, ...derLength(body.length)]), body]);
}

/** In the shortest form, which DER asks for; Go refuses any other. */
function derLength(bytes: number): readonly number[] {
  if (bytes < 0x80) return [bytes];
  return bytes < 0x100 ? [0x81, bytes] : [0x82, bytes >> 8, bytes & 0xff];
}

function sequence(...content: readonly Buffer[]): Buffer {
  return tagged(0x30, ...content);
}

function integer(value: number): Buffer {
  return tagged(
    0x02,
    Buffer.from([value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]).subarray(
      value > 0xff ? 0 : 3,
    ),
  );
}

function objectId(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, "hex"));
}

function utcTime(unixMs: number): Buffer {
  const digits = new Date(unixMs).toISOString().replace(/[-:T]/g, "").slice(2, 14);
  return tagged(0x17, Buffer.from(`${digits}Z`));
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(objectId("550403"), tagged(0x0c, Buffer.from(commonName)))));
}

const ecdsaWithSha256 = sequence(objectId("2a8648ce3d040302"));
const authorityExtension = sequence(
  objectId("551d13"),
  tagged(0x01, Buffer.from([0xff])),
  tagged(0x04, sequence(tagged(0x01, Buffer.from([0xff])))),
);

function alternativeNames(uri: string | undefined): Buffer {
  const address = tagged(0x87, Buffer.from([127, 0, 0, 1]));
  const names = uri === undefined ? [address] : [address, tagged(0x86, Buffer.from(uri))];
  return sequence(objectId("551d11"), tagged(0x04, sequence(...names)));
}
