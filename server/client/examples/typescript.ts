/**
 * Search, add a document, follow a task, import a file, undo, with the client of this package.
 *
 *     PALIMPSEST_KEY=… npx tsx typescript.ts
 */
import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PalimpsestClient, PalimpsestError, type NewDocument } from 'palimpsest/client';

const client = new PalimpsestClient({
  url: process.env.PALIMPSEST_URL ?? 'http://localhost:8080',
  key: process.env.PALIMPSEST_KEY,
});

// Search: the three best documents.
const { candidates } = await client.retrieve('a kettle boils water', { k: 3 });
for (const { rank, docid, score } of candidates) console.log(rank, docid, score);

// Add a document. A lost connection is no reason to worry: the client repeats the request under one idempotency key.
try {
  const { seq, figures } = await client.documents.add({
    docid: 'teapot',
    title: 'Teapot',
    text: 'A pot with a spout, in which tea is brewed.',
  });
  console.log(`edit ${seq}: old documents ${figures.canaries.before} → ${figures.canaries.after}`);
} catch (error) {
  if (!(error instanceof PalimpsestError && error.code === 'docid_taken')) throw error;
  console.log(error.message); // it is there already
}

// Follow a task: what takes long tells how far it is.
const evaluation = await client.evaluate(
  {},
  { onProgress: ({ state, progress }) => console.log(state, progress?.message ?? '') },
);
console.log('documents that came:', evaluation.after.documents - evaluation.before.documents);

// Import a file of documents, one a line; what became of each comes back while the rest is sent.
async function* documentsOf(path: string): AsyncGenerator<NewDocument> {
  const file = await open(path);
  for await (const line of file.readLines()) if (line) yield JSON.parse(line) as NewDocument;
}
for await (const { docid, status, detail } of client.documents.import(
  documentsOf(fileURLToPath(new URL('documents.jsonl', import.meta.url))),
))
  console.log(docid, status, detail ?? '');

// Undo the last edit.
const { last } = await client.edits.list({ limit: 0 });
const undone = await client.edits.undo(last);
console.log(`edit ${last} is taken back by edit ${undone.seq}`);
