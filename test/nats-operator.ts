// A NATS server of an operator, as managed clusters are: who may connect is said by JWTs that the account has signed, and
// a user shows a `.creds` file. The tokens are those of nats-io/jwt version 2, made by hand.
import { hash } from "node:crypto";
import { nkeys } from "@nats-io/transport-node";

type KeyPair = ReturnType<typeof nkeys.createUser>;

export type NatsOperator = {
  /** Lines of the server's configuration. */
  readonly config: string;
  /** Text of a `.creds` file of the account. Absent permissions: everything. */
  credentials(permissions?: UserPermissions): string;
};

export type UserPermissions = { readonly publish: readonly string[]; readonly subscribe: readonly string[] };

const noLimits = { subs: -1, data: -1, payload: -1 };
const accountLimits = {
  ...noLimits,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
  mem_storage: -1,
  disk_storage: -1,
  streams: -1,
  consumer: -1,
};

/** An operator with one account that may use JetStream, beside the system account that the server wants. */
export function makeNatsOperator(): NatsOperator {
  const operator = nkeys.createOperator();
  const system = nkeys.createAccount();
  const account = nkeys.createAccount();
  const accountToken = (pair: KeyPair, name: string, limits: object): string =>
    token(operator, pair.getPublicKey(), name, { type: "account", limits });
  const systemToken = accountToken(system, "SYS", { ...accountLimits, mem_storage: 0, disk_storage: 0 });
  return {
    config: `
operator: ${token(operator, operator.getPublicKey(), "test", { type: "operator" })}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: {
  ${system.getPublicKey()}: ${systemToken}
  ${account.getPublicKey()}: ${accountToken(account, "gateways", accountLimits)}
}`,
    credentials: (permissions) => {
      const user = nkeys.createUser();
      const { publish, subscribe } = permissions ?? { publish: [">"], subscribe: [">"] };
      const rights = { pub: { allow: publish }, sub: { allow: subscribe } };
      const userToken = token(account, user.getPublicKey(), "gateway", { type: "user", ...rights, ...noLimits });
      return `-----BEGIN NATS USER JWT-----
${userToken}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${new TextDecoder().decode(user.getSeed())}
------END USER NKEY SEED------
`;
    },
  };
}

function token(issuer: KeyPair, subject: string, name: string, nats: object): string {
  const claims = { iat: Math.floor(Date.now() / 1_000), iss: issuer.getPublicKey(), name, sub: subject };
  const content = { ...claims, nats: { ...nats, version: 2 } };
  const id = hash("sha256", JSON.stringify(content), "hex");
  const signed = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part({ jti: id, ...content })}`;
  return `${signed}.${Buffer.from(issuer.sign(new TextEncoder().encode(signed))).toString("base64url")}`;
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
