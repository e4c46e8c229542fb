// KeyService: keys that are made, changed, rotated and revoked while the gateway runs. A change is in the store before it
// is answered, and known here at once; other instances hear of it through the store's watch.
import { hash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Config, KeyConfig } from "../../config/config.ts";
import { adminKeys, ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { isWithinGrant } from "../../domain/grant.ts";
import type { Caller } from "../../domain/principal.ts";
import type { KeyDirectory } from "../../policy/key-directory.ts";
import { createTenancyIndex, inTenancy, noTenancy, type TenancyIndex } from "../../policy/tenancy.ts";
import type { ObjectStore, StoredObject } from "../../state/objects/object-store.ts";
import type { AuditKind, AuditTrail } from "../audit/audit-trail.ts";
import { changeObject, replaceObject } from "../change-object.ts";
import { chooseId } from "../choose-id.ts";
import { CreateMemory } from "../create-memory.ts";
import { assertEtag, toEtag } from "../etag.ts";
import { fieldsToChange, withFields } from "../field-mask.ts";
import { isPlatform, mayAdminister, resourceNotFound } from "../ownership.ts";
import { fromPageToken, pageSizeOf, toPageToken } from "../page-token.ts";
import { existsAlready, invalid, isInConfig, notAvailable } from "../refusals.ts";
import { toAllowedMethods, toRoles } from "./allowed-methods.ts";
import { checkKey } from "./check-key.ts";
import { fromGrant, toGrant } from "./key-grant.ts";
import { createdAtMs, type KeyIndex, type StoredKey, toKeyObject } from "./key-index.ts";
import { copyKey, formatKeyRecord, type KeyRecord, parseKeyRecord } from "./key-record.ts";
import type { KeyUses } from "./key-uses.ts";
import { fromDigest, type Secret, secretBytes, toSecret } from "./secret.ts";

export type KeyAdministrationParts = {
  readonly store: ObjectStore;
  readonly index: KeyIndex;
  readonly directory: Pick<KeyDirectory, "find">;
  readonly uses: Pick<KeyUses, "lastUseMs" | "forget">;
  /** Keys of the configuration file: shown, never changed. */
  readonly configKeys: readonly KeyConfig[];
  readonly tenants: Config["tenants"];
  /** Project that the budget belongs to; "" for one of the platform, `undefined` when there is none. */
  readonly ownerOfBudget: (budgetId: string) => string | undefined;
  readonly audit: AuditTrail;
  readonly nowMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
};

/** A key that may be answered; only those of a page are made. */
type Listed = { readonly projectId: string; readonly position: string; readonly toKey: () => adminKeys.Key };

/** Fields of a key that UpdateKey changes. */
const changeable = [
  "display_name",
  "allowed_models",
  "allowed_methods",
  "rate_limits",
  "budget_ids",
  "guardrails",
  "labels",
  "disabled",
  "expire_time",
  "allowed_providers",
  "allowed_input_modalities",
  "allowed_output_modalities",
  "max_input_tokens",
  "max_output_tokens",
];

export class KeyAdministration {
  readonly #parts: KeyAdministrationParts;
  readonly #created = new CreateMemory<adminKeys.CreateKeyResponse>();
  readonly #configKeys: ReadonlyMap<string, KeyConfig>;
  readonly #tenancy: TenancyIndex;

  constructor(parts: KeyAdministrationParts) {
    this.#parts = parts;
    this.#tenancy = createTenancyIndex(parts.tenants);
    this.#configKeys = new Map(parts.configKeys.map((key) => [key.id, key]));
  }

  create(caller: Caller, request: adminKeys.CreateKeyRequest): Promise<adminKeys.CreateKeyResponse> {
    const payload = hash("sha256", toBinary(adminKeys.CreateKeyRequestSchema, request), "hex");
    return this.#created.once(caller, request.requestId, payload, this.#parts.nowMs(), () =>
      this.#create(caller, request, payload),
    );
  }

  get(caller: Caller, { keyId }: adminKeys.GetKeyRequest): adminKeys.GetKeyResponse {
    const stored = this.#parts.index.find(keyId);
    const configured = this.#configKeys.get(keyId);
    const projectId = stored?.record.key.projectId ?? configured?.projectId;
    if (projectId === undefined || !mayAdminister(caller, projectId)) throw this.#notFound(caller, keyId);
    const key = stored === undefined ? configured && this.#fromConfig(configured) : this.#toAnswer(stored);
    return create(adminKeys.GetKeyResponseSchema, key === undefined ? {} : { key });
  }

  list(caller: Caller, request: adminKeys.ListKeysRequest): adminKeys.ListKeysResponse {
    const after = request.pageToken === "" ? "" : fromPageToken(request.pageToken);
    const keys = this.#listed(caller)
      .filter(({ projectId, position }) => position > after && isOfProject(projectId, request.projectId))
      .sort((a, b) => (a.position < b.position ? -1 : 1));
    const page = keys.slice(0, pageSizeOf(request.pageSize));
    const last = page.at(-1);
    return create(adminKeys.ListKeysResponseSchema, {
      keys: page.map(({ toKey }) => toKey()),
      nextPageToken: last === undefined || page.length === keys.length ? "" : toPageToken(last.position),
    });
  }

  async update(caller: Caller, request: adminKeys.UpdateKeyRequest): Promise<adminKeys.UpdateKeyResponse> {
    const wanted = request.key ?? create(adminKeys.KeySchema);
    const fields = fieldsToChange(adminKeys.KeySchema, changeable, wanted, request.updateMask?.paths ?? []);
    const change = (record: KeyRecord): KeyRecord => {
      const key = withFields(adminKeys.KeySchema, record.key, wanted, fields);
      this.#assertBudgetsMayChange(caller, record.key.budgetIds, key.budgetIds);
      this.#assertFit(caller, key);
      return { ...record, key };
    };
    const stored = await this.#change(caller, wanted.keyId, wanted.etag, change);
    await this.#audit("key.updated", caller, wanted.keyId, fields);
    return create(adminKeys.UpdateKeyResponseSchema, { key: this.#toAnswer(stored) });
  }

  async rotate(caller: Caller, request: adminKeys.RotateKeyRequest): Promise<adminKeys.RotateKeyResponse> {
    const secret = this.#secretOf(request.secretSha256);
    this.#assertOwnSecret(request.keyId, secret);
    const stored = await this.#change(caller, request.keyId, "", (record, nowMs) => {
      const key = copyKey(record.key);
      key.secretHint = secret.hint;
      const untilMs = nowMs + request.gracePeriodSeconds * 1_000;
      const previous = request.gracePeriodSeconds === 0 ? undefined : { digest: record.digest, untilMs };
      return { ...record, key, digest: secret.digest, previous };
    });
    await this.#audit("key.rotated", caller, request.keyId);
    return create(adminKeys.RotateKeyResponseSchema, { key: this.#toAnswer(stored), secret: secret.text });
  }

  async delete(caller: Caller, { keyId, etag }: adminKeys.DeleteKeyRequest): Promise<adminKeys.DeleteKeyResponse> {
    const { store, index, uses } = this.#parts;
    const objectKey = toKeyObject(keyId);
    await changeObject(store, objectKey, async (current) => {
      this.#assertMayChange(caller, keyId, current);
      if (current === undefined) throw this.#notFound(caller, keyId);
      assertEtag(etag, current.revision, "key", keyId);
      await store.delete(objectKey, current.revision);
      index.apply({ kind: "deleted", key: objectKey, revision: current.revision });
    });
    uses.forget(keyId);
    await this.#audit("key.deleted", caller, keyId);
    return create(adminKeys.DeleteKeyResponseSchema);
  }

  // ── Creation ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #create(
    caller: Caller,
    { key: wanted, requestId, secretSha256 }: adminKeys.CreateKeyRequest,
    payload: string,
  ): Promise<adminKeys.CreateKeyResponse> {
    const { store, index, nowMs } = this.#parts;
    const secret = this.#secretOf(secretSha256);
    const key = this.#toNewKey(caller, wanted ?? create(adminKeys.KeySchema), requestId);
    key.secretHint = secret.hint;
    key.createTime = timestampFromMs(nowMs());
    key.updateTime = key.createTime;
    this.#assertFit(caller, key);
    this.#assertBudgetsMayChange(caller, [], key.budgetIds);
    this.#assertOwnSecret(key.keyId, secret);
    const record: KeyRecord = {
      key,
      digest: secret.digest,
      previous: undefined,
      creation: requestId === "" ? "" : payload,
    };
    const objectKey = toKeyObject(key.keyId);
    const stored = await changeObject(store, objectKey, async (current): Promise<StoredKey> => {
      if (current !== undefined) throw createdBefore(current, record);
      const value = formatKeyRecord(record);
      const revision = await store.put(objectKey, value, "absent");
      index.apply({ kind: "put", object: { key: objectKey, value, revision } });
      return { record, revision };
    });
    await this.#audit("key.created", caller, key.keyId);
    return create(adminKeys.CreateKeyResponseSchema, { key: this.#toAnswer(stored), secret: secret.text });
  }

  #secretOf(digest: string): Secret {
    return digest === "" ? toSecret(this.#parts.randomBytes(secretBytes)) : fromDigest(digest);
  }

  /** Of two keys with one secret nobody could say who calls. */
  #assertOwnSecret(keyId: string, { digest }: Secret): void {
    const holder = this.#parts.directory.find(digest);
    if (holder === undefined || holder.caller.keyId === keyId) return;
    throw new CallFailure(ErrorReason.CONFLICT, "another key has this secret");
  }

  /** What was asked for, without output fields, with an id and a project. */
  #toNewKey(caller: Caller, wanted: adminKeys.Key, requestId: string): adminKeys.Key {
    const key = copyKey(wanted);
    key.projectId = this.#projectFor(caller, wanted.projectId);
    const { tenants, randomBytes } = this.#parts;
    const question = { caller, type: "key", wanted: wanted.keyId, projectId: key.projectId, requestId } as const;
    if (this.#configKeys.has(wanted.keyId) && isPlatform(caller)) throw isInConfig("key", wanted.keyId);
    key.keyId = chooseId({ ...question, tenants, randomBytes });
    if (this.#configKeys.has(key.keyId)) throw existsAlready("key", key.keyId);
    key.etag = "";
    delete key.lastUseTime;
    return key;
  }

  #projectFor(caller: Caller, wanted: string): string {
    const projectId = wanted === "" ? caller.projectId : wanted;
    const isKnown = this.#parts.tenants.projects.some(({ id }) => id === projectId);
    if (isKnown && mayAdminister(caller, projectId)) return projectId;
    this.#denied(caller, `project/${projectId}`);
    throw resourceNotFound("project", projectId);
  }

  // ── Rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #assertFit(caller: Caller, key: adminKeys.Key): void {
    const { tenants, ownerOfBudget } = this.#parts;
    const violations = checkKey(key, { tenants, isBudget: (id) => ownerOfBudget(id) !== undefined });
    if (violations.length > 0) throw invalid(...violations);
    if (key.guardrails.length > 0) throw notAvailable("guardrails of keys");
    this.#assertMayGive(caller, key);
  }

  /** Nobody makes or takes over a key that may more than itself. */
  #assertMayGive(caller: Caller, key: adminKeys.Key): void {
    // What the key's tenants do not allow it cannot do, and need not leave out itself.
    const grant = inTenancy(this.#tenancy.get(key.projectId) ?? noTenancy, toGrant(key));
    const isOwn = !toRoles(key.allowedMethods).includes("platform") && isWithinGrant(grant, caller);
    if (isPlatform(caller) || isOwn) return;
    this.#denied(caller, `key/${key.keyId}`);
    throw new CallFailure(ErrorReason.PERMISSION_DENIED, "the credential does not allow such a key");
  }

  /** Budgets of others can neither be taken off a key nor put onto it. */
  #assertBudgetsMayChange(caller: Caller, before: readonly string[], after: readonly string[]): void {
    const changed = [...before.filter((id) => !after.includes(id)), ...after.filter((id) => !before.includes(id))];
    const foreign = changed.find((id) => {
      const owner = this.#parts.ownerOfBudget(id);
      return owner !== undefined && !mayAdminister(caller, owner);
    });
    if (foreign === undefined) return;
    this.#denied(caller, `budget/${foreign}`);
    throw resourceNotFound("budget", foreign);
  }

  #assertMayChange(caller: Caller, keyId: string, current: StoredObject | undefined): void {
    const inConfig = this.#configKeys.get(keyId);
    if (inConfig !== undefined && mayAdminister(caller, inConfig.projectId)) throw isInConfig("key", keyId);
    if (current === undefined) return;
    const { key } = parseKeyRecord(current.value);
    if (!mayAdminister(caller, key.projectId)) throw this.#notFound(caller, keyId);
    this.#assertMayGive(caller, key);
  }

  async #change(
    caller: Caller,
    keyId: string,
    etag: string,
    change: (record: KeyRecord, nowMs: number) => KeyRecord,
  ): Promise<StoredKey> {
    const { store, index } = this.#parts;
    const objectKey = toKeyObject(keyId);
    return changeObject(store, objectKey, async (current) => {
      this.#assertMayChange(caller, keyId, current);
      if (current === undefined) throw this.#notFound(caller, keyId);
      assertEtag(etag, current.revision, "key", keyId);
      const nowMs = this.#parts.nowMs();
      const record = change(parseKeyRecord(current.value), nowMs);
      record.key.updateTime = timestampFromMs(nowMs);
      const value = formatKeyRecord(record);
      const revision = await replaceObject(store, { ...current, value }, { etag, type: "key", id: keyId });
      index.apply({ kind: "put", object: { key: objectKey, value, revision } });
      return { record, revision };
    });
  }

  // ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Keys of the file and of the store that the caller administers, in no order. */
  #listed(caller: Caller): readonly Listed[] {
    const stored = [...this.#parts.index.values()].map((one) => ({
      projectId: one.record.key.projectId,
      position: positionOf(one.record.key.keyId, createdAtMs(one.record)),
      toKey: () => this.#toAnswer(one),
    }));
    const configured = this.#parts.configKeys.map((one) => ({
      projectId: one.projectId,
      position: positionOf(one.id, 0),
      toKey: () => this.#fromConfig(one),
    }));
    return [...stored, ...configured].filter(({ projectId }) => mayAdminister(caller, projectId));
  }

  #toAnswer({ record, revision }: StoredKey): adminKeys.Key {
    const key = copyKey(record.key);
    key.teamId = this.#teamOf(key.projectId);
    key.etag = toEtag(revision);
    return this.#withLastUse(key);
  }

  #fromConfig(config: KeyConfig): adminKeys.Key {
    const key = create(adminKeys.KeySchema, {
      keyId: config.id,
      displayName: config.id,
      projectId: config.projectId,
      teamId: this.#teamOf(config.projectId),
      ...fromGrant(config),
      allowedMethods: [...toAllowedMethods(config.roles)],
      disabled: config.disabled,
      ...(config.expiresAtMs === undefined ? {} : { expireTime: timestampFromMs(config.expiresAtMs) }),
    });
    return this.#withLastUse(key);
  }

  #withLastUse(key: adminKeys.Key): adminKeys.Key {
    const lastUseMs = this.#parts.uses.lastUseMs(key.keyId);
    if (lastUseMs !== undefined) key.lastUseTime = timestampFromMs(lastUseMs);
    return key;
  }

  #teamOf(projectId: string): string {
    return this.#parts.tenants.projects.find(({ id }) => id === projectId)?.teamId ?? "";
  }

  // ── Record ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #notFound(caller: Caller, keyId: string): CallFailure {
    this.#denied(caller, `key/${keyId}`);
    return resourceNotFound("key", keyId);
  }

  #denied(caller: Caller, resource: string): void {
    this.#parts.audit.denied({ kind: "resource.denied", caller, resource, reason: "RESOURCE_NOT_FOUND" });
  }

  #audit(kind: AuditKind, caller: Caller, keyId: string, fields?: readonly string[]): Promise<void> {
    return this.#parts.audit.act({ kind, caller, resource: `key/${keyId}`, reason: "", fields });
  }
}

function createdBefore(current: StoredObject, record: KeyRecord): CallFailure {
  const { keyId } = record.key;
  const isSameRequest = record.creation !== "" && parseKeyRecord(current.value).creation === record.creation;
  if (!isSameRequest) return existsAlready("key", keyId);
  return new CallFailure(
    ErrorReason.CONFLICT,
    "this request has made the key before, and its secret was shown then: rotate the key to get another",
    { resource: { type: "key", name: keyId } },
  );
}

function isOfProject(own: string, wanted: string): boolean {
  return wanted === "" || own === wanted;
}

const timeDigits = 15;

/** Sorts newest first, then by id; keys of the configuration come last. */
function positionOf(keyId: string, createdMs: number): string {
  const age = 10 ** timeDigits - 1 - createdMs;
  return `${String(age).padStart(timeDigits, "0")}/${keyId}`;
}
