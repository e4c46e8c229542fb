// Objects in a file of the data folder, for a gateway of one process.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import {
  type ExpectedRevision,
  type ObjectChange,
  type ObjectStore,
  objectLimits,
  type StoredObject,
} from "./object-store.ts";
import { RevisionConflict } from "./revision-conflict.ts";

const schema = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS object (key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS last_revision (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL);
  INSERT OR IGNORE INTO last_revision (id, value) VALUES (1, 0);
`;

/** Sorts after every character that a key may have. */
const afterAll = "\u{10ffff}";

/** Opens `<dataDir>/objects.sqlite`, locked for this process. Throws an `Error` of one line when it cannot. */
export function openEmbeddedObjectStore(options: { readonly dataDir: string }): ObjectStore {
  const database = openDatabase(options.dataDir);
  const readRow = database.prepare("SELECT key, value, revision FROM object WHERE key = ?");
  const readRows = database.prepare(
    "SELECT key, value, revision FROM object WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?",
  );
  const countRows = database.prepare("SELECT count(*) AS count FROM object");
  const writeRow = database.prepare("INSERT OR REPLACE INTO object (key, value, revision) VALUES (?, ?, ?)");
  const deleteRow = database.prepare("DELETE FROM object WHERE key = ?");
  const nextRevision = database.prepare("UPDATE last_revision SET value = value + 1 WHERE id = 1 RETURNING value");
  let tell: (change: ObjectChange) => void = () => {};

  function read(key: string): StoredObject | undefined {
    const row = readRow.get(key);
    return row === undefined ? undefined : toObject(row);
  }

  function write(key: string, value: string, expected: ExpectedRevision): StoredObject {
    const known = read(key);
    if (!isExpected(known, expected)) throw new RevisionConflict(key);
    if (Buffer.byteLength(value) > objectLimits.valueBytesMax) throw new Error("the object is too large");
    if (known === undefined && Number(countRows.get()?.["count"]) >= objectLimits.objectsMax) {
      throw new Error("too many objects are stored");
    }
    const revision = Number(nextRevision.get()?.["value"]);
    writeRow.run(key, value, revision);
    return { key, value, revision };
  }

  /** The revision of the deletion; `undefined`: nothing was there. */
  function remove(key: string, expected: ExpectedRevision): number | undefined {
    const known = read(key);
    if (known === undefined) return undefined;
    if (!isExpected(known, expected)) throw new RevisionConflict(key);
    const revision = Number(nextRevision.get()?.["value"]);
    deleteRow.run(key);
    return revision;
  }

  /** All or nothing: a revision that is given away belongs to a change that was made. */
  function inTransaction<Result>(change: () => Result): Result {
    database.exec("BEGIN IMMEDIATE");
    try {
      const result = change();
      database.exec("COMMIT");
      return result;
    } catch (error) {
      database.exec("ROLLBACK");
      throw error;
    }
  }

  return {
    get: async (key) => read(key),
    list: async (prefix, { after, limit }) =>
      readRows.all(after, prefix, `${prefix}${afterAll}`, limit).map((row) => toObject(row)),
    async put(key, value, expected) {
      const object = inTransaction(() => write(key, value, expected));
      tell({ kind: "put", object });
      return object.revision;
    },
    async delete(key, expected) {
      const revision = inTransaction(() => remove(key, expected));
      if (revision !== undefined) tell({ kind: "deleted", key, revision });
      return revision !== undefined;
    },
    async watch(onChange) {
      tell = onChange;
      const rows = readRows.all("", "", afterAll, objectLimits.objectsMax);
      for (const row of rows) onChange({ kind: "put", object: toObject(row) });
    },
    close: async () => database.close(),
  };
}

function openDatabase(dataDir: string): DatabaseSync {
  mkdirSync(dataDir, { recursive: true });
  const database = new DatabaseSync(join(dataDir, "objects.sqlite"));
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    database.exec(schema);
    database.exec("BEGIN EXCLUSIVE; COMMIT"); // Takes the lock now rather than with the first write.
    return database;
  } catch (error) {
    database.close();
    throw new Error("the objects in the data folder cannot be opened; is another gateway using it?", { cause: error });
  }
}

function isExpected(known: StoredObject | undefined, expected: ExpectedRevision): boolean {
  if (expected === "any") return true;
  if (expected === "absent") return known === undefined;
  return known?.revision === expected;
}

function toObject(row: Readonly<Record<string, unknown>>): StoredObject {
  return { key: String(row["key"]), value: String(row["value"]), revision: Number(row["revision"]) };
}
