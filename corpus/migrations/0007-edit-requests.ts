/** The `X-Request-Id` of the request that an edit came with: by it the log of requests tells more of the edit. */
export const sql = `
ALTER TABLE edits ADD COLUMN request_id TEXT;
`;
