import { existsSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { importBeir } from './beir.ts';
import { importCsv } from './csv.ts';
import { ImportError } from './import-error.ts';
import type { ImportCounts, ImportOptions } from './import.ts';
import { importJsonl } from './jsonl.ts';
import type { Store } from './store.ts';

type Importer = (store: Store, path: string, options: ImportOptions) => ImportCounts;

const importersByExtension: { [extension: string]: Importer } = {
  '.jsonl': importJsonl,
  '.ndjson': importJsonl,
  '.csv': importCsv,
  '.tsv': importCsv,
  '.tab': importCsv,
};

/** Imports whatever `path` is: a BEIR folder, or a file of documents told by its extension. @throws ImportError */
export function importCorpus(store: Store, path: string, options: ImportOptions = {}): ImportCounts {
  if (existsSync(path) && statSync(path).isDirectory()) return importBeir(store, path, options);
  const importer = importersByExtension[extname(path).toLowerCase()];
  if (importer) return importer(store, path, options);
  const known = Object.keys(importersByExtension).join(', ');
  const actual = existsSync(path) ? 'another file' : 'nothing there';
  throw new ImportError({ file: path }, `a BEIR folder or a file that ends in ${known}`, actual);
}
