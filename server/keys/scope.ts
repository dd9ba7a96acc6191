/** What a key permits, each including the ones before it: to look, to edit documents, to run the server. */
export const scopes = ['read', 'edit', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** Who may call an operation: anyone; anyone unless search is locked, then a key that may read; a key of a scope. */
export type Access = 'open' | 'search' | Scope;

export const permits = (held: Scope, needed: Scope): boolean => scopes.indexOf(held) >= scopes.indexOf(needed);
