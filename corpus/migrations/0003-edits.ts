/**
 * Edits of the model (`editing/edit-log.ts`): one line in `edits` for each transaction, and what it did.
 *
 * `edit_documents` has a line for each document that an edit touched, with what it was before; null where it was not there.
 * An entry never changes once it is written; which entries are in force is told by `edit_activations`, from one edit up
 * to the edit that ended it, so that the set after any edit can be read. Ids cascade, since an entry that is forgotten
 * gets an id that says nothing of its text. `edit_rows` and `edit_deltas` are the weights of the newest edit. `edit_base`
 * says which document each row of the base model stood for before the first edit, `edit_bank` by what queries edits are
 * solved and judged.
 */
export const sql = `
CREATE TABLE edits (
  seq             INTEGER PRIMARY KEY AUTOINCREMENT,
  kind            TEXT NOT NULL CHECK (kind IN ('edit', 'undo', 'revert')),
  author          TEXT,
  at              TEXT NOT NULL,
  idempotency_key TEXT UNIQUE,
  request         TEXT,
  operations      TEXT NOT NULL CHECK (json_valid(operations)),
  undoes          TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(undoes)),
  undone_by       INTEGER REFERENCES edits (seq),
  outcome         TEXT NOT NULL CHECK (json_valid(outcome))
);

CREATE TABLE edit_documents (
  id           INTEGER PRIMARY KEY,
  seq          INTEGER NOT NULL REFERENCES edits (seq),
  document     INTEGER NOT NULL REFERENCES documents (id),
  docid        TEXT NOT NULL,
  version      INTEGER NOT NULL,
  docid_before TEXT,
  state_before TEXT CHECK (state_before IN ('live', 'deleted')),
  forgotten    INTEGER NOT NULL DEFAULT 0,
  before       TEXT CHECK (json_valid(before)),
  UNIQUE (seq, document)
);
CREATE INDEX edit_documents_by_document ON edit_documents (document, seq);
CREATE INDEX edit_documents_by_docid ON edit_documents (docid, seq);
CREATE INDEX edit_documents_by_docid_before ON edit_documents (docid_before, seq);

CREATE TABLE edit_entries (
  id       TEXT PRIMARY KEY,
  kind     TEXT NOT NULL CHECK (kind IN ('document', 'removal', 'rename')),
  document INTEGER NOT NULL REFERENCES documents (id),
  docid    TEXT,
  base_row INTEGER,
  of_entry TEXT REFERENCES edit_entries (id) ON UPDATE CASCADE,
  payload  BLOB
);
CREATE INDEX edit_entries_by_document ON edit_entries (document);
CREATE INDEX edit_entries_by_of ON edit_entries (of_entry) WHERE of_entry IS NOT NULL;

CREATE TABLE edit_activations (
  id       INTEGER PRIMARY KEY,
  entry    TEXT NOT NULL REFERENCES edit_entries (id) ON UPDATE CASCADE,
  from_seq INTEGER NOT NULL REFERENCES edits (seq),
  to_seq   INTEGER REFERENCES edits (seq) CHECK (to_seq > from_seq),
  row      INTEGER
);
CREATE UNIQUE INDEX edit_activations_in_force ON edit_activations (entry) WHERE to_seq IS NULL;
CREATE UNIQUE INDEX edit_activations_rows ON edit_activations (row) WHERE to_seq IS NULL AND row IS NOT NULL;
CREATE INDEX edit_activations_by_entry ON edit_activations (entry, id);
CREATE INDEX edit_activations_from ON edit_activations (from_seq);
CREATE INDEX edit_activations_to ON edit_activations (to_seq) WHERE to_seq IS NOT NULL;

CREATE TABLE edit_rows (
  entry    TEXT PRIMARY KEY REFERENCES edit_entries (id) ON UPDATE CASCADE,
  "values" BLOB NOT NULL
);

CREATE TABLE edit_deltas (
  weight TEXT PRIMARY KEY,
  delta  BLOB NOT NULL
);

CREATE TABLE edit_base (
  row      INTEGER PRIMARY KEY,
  document INTEGER NOT NULL REFERENCES documents (id)
);

CREATE TABLE edit_bank (
  position INTEGER PRIMARY KEY,
  base_row INTEGER NOT NULL,
  kind     TEXT NOT NULL CHECK (kind IN ('train', 'pseudo', 'canary')),
  text     TEXT NOT NULL
);
CREATE INDEX edit_bank_by_row ON edit_bank (base_row);
`;
