/** A client of a Palimpsest server, for Node 20, Deno, Bun and browsers; types are those of the OpenAPI document. */
export { PalimpsestClient, type ExplainOptions, type RetrieveOptions } from './client.ts';
export type { ListQuery, TaggedDocument } from './documents.ts';
export type { DocumentEditOptions, EditOptions, ExpectingOptions } from './edit-call.ts';
export { PalimpsestError } from './error.ts';
export type { ImportOptions } from './import.ts';
export type { WaitOptions } from './tasks.ts';
export type { CallOptions, ClientOptions } from './transport.ts';
export type * from './types.ts';
