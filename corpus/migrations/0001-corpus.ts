/**
 * Documents, queries, judgements, and the full-text index over live documents.
 *
 * `documents_fts` is an external-content FTS5 table: it holds only the inverted index and reads title and text from
 * `documents`. The triggers keep one invariant: a document is in the index if and only if it is live. FTS5 is told to
 * forget a row by being given the row's old title and text.
 */
export const sql = `
CREATE TABLE documents (
  id       INTEGER PRIMARY KEY,
  docid    TEXT NOT NULL UNIQUE,
  version  INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
  state    TEXT NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'deleted')),
  created  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  title    TEXT NOT NULL,
  metadata TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
  text     TEXT NOT NULL
);
CREATE INDEX documents_by_state ON documents (state, id);

CREATE TABLE queries (
  id      INTEGER PRIMARY KEY,
  queryid TEXT NOT NULL UNIQUE,
  text    TEXT NOT NULL
);

CREATE TABLE qrels (
  split    TEXT NOT NULL CHECK (split IN ('train', 'dev', 'test')),
  query    INTEGER NOT NULL REFERENCES queries (id),
  document INTEGER NOT NULL REFERENCES documents (id),
  score    INTEGER NOT NULL,
  PRIMARY KEY (split, query, document)
) WITHOUT ROWID;
CREATE INDEX qrels_by_document ON qrels (document);

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE VIRTUAL TABLE documents_fts USING fts5 (
  title, text,
  content = 'documents', content_rowid = 'id',
  tokenize = 'porter unicode61 remove_diacritics 2'
);

CREATE TRIGGER documents_inserted AFTER INSERT ON documents WHEN new.state = 'live' BEGIN
  INSERT INTO documents_fts (rowid, title, text) VALUES (new.id, new.title, new.text);
END;
CREATE TRIGGER documents_removed AFTER DELETE ON documents WHEN old.state = 'live' BEGIN
  INSERT INTO documents_fts (documents_fts, rowid, title, text) VALUES ('delete', old.id, old.title, old.text);
END;
CREATE TRIGGER documents_left AFTER UPDATE OF title, text, state ON documents WHEN old.state = 'live' BEGIN
  INSERT INTO documents_fts (documents_fts, rowid, title, text) VALUES ('delete', old.id, old.title, old.text);
  INSERT INTO documents_fts (rowid, title, text) SELECT new.id, new.title, new.text WHERE new.state = 'live';
END;
CREATE TRIGGER documents_revived AFTER UPDATE OF title, text, state ON documents
  WHEN old.state = 'deleted' AND new.state = 'live' BEGIN
  INSERT INTO documents_fts (rowid, title, text) VALUES (new.id, new.title, new.text);
END;
`;
