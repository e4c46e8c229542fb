// The tables of the usage index. Events stand there twice: as bytes, by their place in the journal, and as columns of
// numbers in blocks of some ten thousand events, from which every sum is made and every filter is answered. Names (projects,
// models, end users, values of a label) have a number each, from 1 on in the order of their coming; 0 is "", or absent.
// A block is written once and never changed: what a correction replaces is taken out by a row of negative sums.

export const indexVersion = "4";

/** Larger pages than usual: a column of a block is some hundred kilobytes and is read from end to end. */
export const pageBytes = 16_384;

export const indexSchema = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE payload (place INTEGER PRIMARY KEY, payload BLOB NOT NULL);
  CREATE TABLE event (event_id TEXT PRIMARY KEY, place INTEGER NOT NULL, replaced_by INTEGER) WITHOUT ROWID;
  CREATE INDEX event_replaced ON event (replaced_by) WHERE replaced_by IS NOT NULL;
  CREATE TABLE name (source TEXT NOT NULL, value TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (source, value)) WITHOUT ROWID;
  CREATE UNIQUE INDEX name_by_id ON name (source, id);
  CREATE TABLE block (id INTEGER PRIMARY KEY, row_count INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
    first_place INTEGER NOT NULL, last_place INTEGER NOT NULL);
  CREATE TABLE block_column (id INTEGER PRIMARY KEY, block INTEGER NOT NULL, source TEXT NOT NULL, width INTEGER NOT NULL,
    base REAL NOT NULL, peak REAL NOT NULL, bytes BLOB NOT NULL);
  CREATE UNIQUE INDEX block_column_by_source ON block_column (block, source);
`;
