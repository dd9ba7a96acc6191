/** Long work of the server and how it ended (`server/tasks/`). AUTOINCREMENT: the id of a removed task is not used again. */
export const sql = `
CREATE TABLE tasks (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  kind     TEXT NOT NULL,
  state    TEXT NOT NULL
    CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted')),
  created  TEXT NOT NULL,
  started  TEXT,
  finished TEXT,
  input    TEXT NOT NULL CHECK (json_valid(input)),
  progress TEXT CHECK (json_valid(progress)),
  error    TEXT CHECK (json_valid(error)),
  result   TEXT CHECK (json_valid(result))
);
`;
