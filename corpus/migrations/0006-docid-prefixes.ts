/** Where docids are paths, the tokens before the last one of a document that an edit added: token ids, as a JSON list. */
export const sql = `
ALTER TABLE edit_entries ADD COLUMN prefix TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(prefix));
`;
