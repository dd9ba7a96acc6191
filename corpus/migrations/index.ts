import { sql as corpus } from './0001-corpus.ts';
import { sql as tasks } from './0002-tasks.ts';
import { sql as edits } from './0003-edits.ts';
import { sql as keys } from './0004-keys.ts';
import { sql as keyLife } from './0005-key-life.ts';
import { sql as docidPrefixes } from './0006-docid-prefixes.ts';
import { sql as editRequests } from './0007-edit-requests.ts';

/**
 * What turns an empty database into the newest one, in order: entry i takes `user_version` i to i + 1. An entry that has
 * been released never changes; a new need is a new entry. TypeScript, not `.sql`, so that the build carries them along.
 */
export const migrations: readonly string[] = [corpus, tasks, edits, keys, keyLife, docidPrefixes, editRequests];
