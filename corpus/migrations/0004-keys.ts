/** API keys (`server/keys/`). What a caller sends is not kept, only its SHA-256: whoever reads the file has no key. */
export const sql = `
CREATE TABLE api_keys (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  name    TEXT NOT NULL UNIQUE,
  scope   TEXT NOT NULL CHECK (scope IN ('read', 'edit', 'admin')),
  hash    BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
`;
