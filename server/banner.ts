import { importedFingerprint } from './fingerprint.ts';
import type { CircuitInfo } from './model-info.ts';
import { packageVersion } from './paths.ts';
import type { RunningServer } from './serve.ts';

const number = (n: number): string => n.toLocaleString('en');

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function circuitLine({ kept, components, loss: { searched, test } }: CircuitInfo): string {
  const measured = test
    ? `Success@1 ${percent(test.circuit)} against ${percent(test.full)} on ${number(test.queries)} test queries`
    : `${percent(searched.mean)} of the queries of its analysis leave rank 1`;
  return `${kept} of ${components} components of the decoder; ${measured}`;
}

/** What an admin wants to see at a start, one line each. */
export function banner({ url, index, data, newAdminKey, state }: RunningServer): string {
  const { model, store, liveRows } = index;
  const documents = store.count();
  const outside = documents - liveRows;
  const missing = model.docids.size - liveRows;
  const fingerprint = importedFingerprint(store);
  const isOther = model.corpusFingerprint !== null && fingerprint !== null && model.corpusFingerprint !== fingerprint;
  const notes = [
    ...(isOther ? ['not the texts that the model was trained on'] : []),
    ...(outside > 0 ? [`${number(outside)} of them not in the model: found by bm25 and hybrid only`] : []),
    ...(missing > 0 ? [`${number(missing)} docids of the model are not in the corpus: they cannot come out`] : []),
  ];
  const lines = [
    ['search', url],
    ['API', `${url}/docs`],
    [
      'model',
      `${model.name} (version ${model.version}, ${number(model.docids.size)} docids, ${(model.sizeBytes / 1e6).toFixed(1)} MB)`,
    ],
    ...(model.circuit ? [['circuit', circuitLine(model.circuit)]] : []),
    ...(index.rowSearch === 'hnsw'
      ? [['rows', 'found by a graph (hnsw), which misses few; --rows exact misses none']]
      : []),
    ['corpus', `${data.corpusName} (${number(documents)} documents${notes.map((note) => `; ${note}`).join('')})`],
    ['data', `${data.dir}${data.isNew ? ' (new)' : ''}`],
    ...(state.searchLocked ? [['locked', 'searches too need a key']] : []),
    ...(newAdminKey === undefined ? [] : [['key', `${newAdminKey} (for admins; keep it now, it is not shown again)`]]),
  ];
  return [`Palimpsest ${packageVersion}`, ...lines.map(([name, value]) => `  ${name.padEnd(8)}${value}`)].join('\n');
}
