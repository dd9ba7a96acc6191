/**
 * Keys that end, are replaced and are limited (`server/keys/`), and what was done with them (`server/audit/`). `used` is the
 * hour of the last use. `previous` is the hash that was replaced, valid until `previous_until`.
 */
export const sql = `
ALTER TABLE api_keys ADD COLUMN expires TEXT;
ALTER TABLE api_keys ADD COLUMN used TEXT;
ALTER TABLE api_keys ADD COLUMN per_minute INTEGER CHECK (per_minute >= 1);
ALTER TABLE api_keys ADD COLUMN previous BLOB CHECK (length(previous) = 32);
ALTER TABLE api_keys ADD COLUMN previous_until TEXT;

CREATE TABLE audit_events (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  at      TEXT NOT NULL,
  actor   TEXT NOT NULL,
  action  TEXT NOT NULL,
  subject TEXT NOT NULL,
  details TEXT NOT NULL CHECK (json_valid(details)),
  request TEXT
);
`;
