/**
 * What edits of MLPs bring beside docid rows: ways to find targets, layers, and closed forms, on the same rows and pairs.
 *
 *     npm run bench -- edit-methods [--model DIR] [--corpus DIR] [--additions DIR] [--documents N] [--queries given,text]
 *         [--targets margin,gradient] [--margins 8,12] [--layers last,window] [--methods ledger,rome,…] [--pseudo N]
 *         [--lambda X] [--batch N] [--bank N] [--limit N]
 *
 * Every added document gets its provisional row, with its train queries ("given") or from its text alone. `targets` has
 * the ledger with each way to find targets for each margin, in the last layer and in the interaction stage's window; `methods` has
 * every closed form with the first kind of targets and the first margin in the last layer, documents in batches of --batch, ROME on
 * each document's mean key. Test queries only: Success@1 of old and new ones, the drift ‖ΔW‖/‖W‖ of each edited layer, milliseconds of
 * this process's CPU for each document, apart for targets and closed form. JSON on stdout.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import type { Document, JudgedQuery, Split } from '../../corpus/documents.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore } from '../../corpus/store.ts';
import { norm } from '../../analysis/vectors.ts';
import { outputWeight } from '../../editing/edit-graphs.ts';
import { EditModel, type EditedLayers, type Observed } from '../../editing/edit-model.ts';
import { makeDocumentEntry, type DocumentEntry } from '../../editing/entry.ts';
import { mergeKeys } from '../../editing/methods/merge-keys.ts';
import type { EditedLayer, EditPairs, Editor } from '../../editing/methods/method.ts';
import { editMethods } from '../../editing/methods/table.ts';
import { presets, type EditSettings } from '../../editing/presets.ts';
import { drawBank, QueryBank } from '../../editing/query-bank.ts';
import { targetMethods, type TargetMethodName } from '../../editing/targets/table.ts';
import type { Residuals } from '../../editing/targets/target.ts';
import type { WeightDelta } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { tensor } from '../../models/session.ts';
import { builtinCorpus, builtinModel } from '../../server/paths.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: builtinModel },
    corpus: { type: 'string', default: builtinCorpus },
    additions: { type: 'string', default: `${builtinCorpus}/additions` },
    documents: { type: 'string', default: '1000000' },
    queries: { type: 'string', default: 'given,text' },
    targets: { type: 'string', default: 'margin,gradient' },
    margins: { type: 'string', default: '8,12' },
    layers: { type: 'string', default: 'last,window' },
    methods: { type: 'string', default: 'ledger,rome,memit,memit-history,alpha-edit,emmet' },
    pseudo: { type: 'string', default: '24' },
    lambda: { type: 'string', default: '.0045' },
    batch: { type: 'string', default: '16' },
    bank: { type: 'string', default: '4000' },
    limit: { type: 'string', default: '1000000' },
  },
});
const list = (text: string): string[] => text.split(',').filter(Boolean);
const round = (x: number): number => Math.round(x * 10_000) / 10_000;
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

function readCorpus(path: string): { documents: Document[]; queries: (split: Split) => JudgedQuery[] } {
  const store = openStore(':memory:');
  try {
    importCorpus(store, path);
    const queries = { train: store.queries('train'), dev: store.queries('dev'), test: store.queries('test') };
    return { documents: [...store.eachDocument()], queries: (split) => queries[split] };
  } finally {
    store.close();
  }
}

const folder = readModelFolder(values.model);
const [old, additions] = [readCorpus(values.corpus), readCorpus(values.additions)];
const { docids } = folder.genir!;
const N = docids.length;
const byDocid = new Map(old.documents.map((document) => [document.docid, document]));
const base = docids.map((docid) => byDocid.get(docid)!);
const added = additions.documents.filter(({ docid }) => !byDocid.has(docid)).slice(0, Number(values.documents));
const rowOf = new Map([...docids, ...added.map(({ docid }) => docid)].map((docid, row) => [docid, row]));
const [D, F] = [folder.config.d_model, folder.config.d_ff];
/** λ and ε count old documents, as in the presets. */
const prior = { lambda: Number(values.lambda) * N, ridge: 2e-5 * N };

const editors: Readonly<Record<string, (layer: EditedLayer) => Editor>> = {
  ledger: (layer) => editMethods.ledger.prepare(layer, prior),
  rome: (layer) => {
    const edit = editMethods.rome.prepare(layer, { ridge: 0.01 });
    return (one) => edit({ ...one, pairs: mergeKeys(layer, one.pairs, -1) });
  },
  memit: (layer) => editMethods.memit.prepare(layer, { ...prior, history: false }),
  'memit-history': (layer) => editMethods.memit.prepare(layer, { ...prior, history: true }),
  'alpha-edit': (layer) => editMethods.alphaEdit.prepare(layer, { energy: 0.98, ridge: 0.1 }),
  emmet: (layer) => editMethods.emmet.prepare(layer, { ...prior, slack: 0.1 }),
};

/** Pairs of several documents as those of one edit. */
function joined(all: readonly EditPairs[]): EditPairs {
  const join = (parts: readonly Float32Array[]): Float32Array => {
    const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  };
  return {
    keys: join(all.map(({ keys }) => keys)),
    residuals: join(all.map(({ residuals }) => residuals)),
    weights: all.flatMap(({ weights }) => Array.from(weights!)),
  };
}

/** Documents in batches, one edit after the other; the ledger, whose order changes nothing, in one. */
function edited(method: string, layer: EditedLayer, pairs: readonly EditPairs[]): Float32Array {
  const size = { ledger: pairs.length, rome: 1 }[method] ?? Number(values.batch);
  const edit = editors[method](layer);
  const history: EditPairs[] = [];
  let current: Float32Array | undefined;
  for (let from = 0; from < pairs.length; from += size) {
    const batch = joined(pairs.slice(from, from + size));
    current = edit({ pairs: batch, history: [...history], ...(current && { current }) });
    history.push(batch);
  }
  return current!;
}

interface Asked {
  readonly observed: Observed;
  readonly own: Int32Array;
}

async function ask(model: EditModel, queries: readonly JudgedQuery[]): Promise<Asked> {
  const known = queries.filter(({ relevant }) => relevant.some((docid) => rowOf.has(docid)));
  const own = Int32Array.from(known, ({ relevant }) => rowOf.get(relevant.find((docid) => rowOf.has(docid))!)!);
  return { observed: await model.observe(known.map(({ text }) => text)), own };
}

/** Success@1 of queries with one document. */
async function success(
  model: EditModel,
  { observed, own }: Asked,
  rows: readonly Float32Array[],
  deltas: readonly WeightDelta[] = [],
): Promise<number> {
  const all = new Float32Array((N + rows.length) * D);
  all.set(model.rows.data);
  rows.forEach((row, i) => all.set(row, (N + i) * D));
  const scores = await model.scoresOf(await model.restate(observed, deltas), tensor(all, [N + rows.length, D]), own);
  return round(own.reduce((hits, _, q) => hits + (scores.own[q] > scores.best[q] ? 1 : 0), 0) / own.length);
}

const targets: object[] = [];
const methods: object[] = [];
const rowsOnly: object[] = [];
const log = (to: object[], line: object): void => {
  to.push(line);
  console.error(JSON.stringify(line));
};
const firstTargets = list(values.targets)[0] as TargetMethodName;
const firstMargin = Number(list(values.margins)[0]);

for (const layers of list(values.layers) as EditedLayers[]) {
  const model = await EditModel.open(folder, { layers });
  const queries = drawBank(base, old.queries('train'), old.queries('dev'), { size: Number(values.bank), seed: 1 });
  const bank = await QueryBank.open(model, queries, base);
  const limit = Number(values.limit);
  const oldTest = await ask(model, old.queries('test').slice(0, limit));
  const newTest = await ask(model, additions.queries('test'));
  const given = new Map<string, string[]>();
  for (const { text, relevant } of additions.queries('train'))
    for (const docid of relevant) given.set(docid, [...(given.get(docid) ?? []), text]);

  for (const source of list(values.queries)) {
    const settings: EditSettings = {
      ...presets.rows,
      queries: { ...presets.rows.queries, solved: Number(values.pseudo), heldOut: 1 },
    };
    const start = cpuMs();
    const entries: DocumentEntry[] = [];
    for (const { docid, title, text } of added) {
      const queries = source === 'given' ? (given.get(docid) ?? []) : [];
      entries.push(await makeDocumentEntry(model, bank, { id: docid, docid, title, text, queries }, settings));
    }
    const rows = entries.map(({ provisional }) => provisional);
    const observations: Observed[] = [];
    for (const { queries } of entries) observations.push(await model.observe(queries));
    const measure = async (deltas: readonly WeightDelta[]): Promise<object> => ({
      old: await success(model, oldTest, rows, deltas),
      new: await success(model, newTest, rows, deltas),
    });
    if (layers === list(values.layers)[0])
      log(rowsOnly, { source, ...(await measure([])), cpuMs: round((cpuMs() - start) / entries.length) });

    const find = async (name: TargetMethodName, margin: number): Promise<{ found: Residuals[]; ms: number }> => {
      const from = cpuMs();
      const found: Residuals[] = [];
      for (const [i, { provisional }] of entries.entries()) {
        const observed = observations[i];
        const Q = observed.texts.length;
        const own = new Float32Array(Q * D);
        for (let q = 0; q < Q; q++) own.set(provisional, q * D);
        const problem = { observed, own: tensor(own, [Q, D]) };
        found.push(
          name === 'margin'
            ? await targetMethods.margin.find(model, problem, { ...targetMethods.margin.defaults, margin })
            : await targetMethods.gradient.find(model, problem, { ...targetMethods.gradient.defaults, margin }),
        );
      }
      return { found, ms: round((cpuMs() - from) / entries.length) };
    };
    const edit = async (method: string, found: readonly Residuals[]): Promise<object> => {
      const from = cpuMs();
      const deltas = model.layers.map((layer): WeightDelta => {
        const pairs = entries.map(({ own }, i) => ({
          keys: observations[i].keys.get(layer)!.data,
          residuals: found[i].get(layer)!.data,
          weights: own.weights,
        }));
        const delta = edited(method, { covariance: bank.covariance(layer), d_model: D }, pairs);
        return { weight: outputWeight(layer), delta };
      });
      const editCpuMs = round((cpuMs() - from) / entries.length);
      const drift = deltas.map(({ weight, delta }) => round(norm(delta) / norm(folder.tensor(weight).data)));
      return { ...(await measure(deltas)), drift, editCpuMs };
    };
    for (const name of list(values.targets) as TargetMethodName[])
      for (const margin of list(values.margins).map(Number)) {
        const { found, ms } = await find(name, margin);
        log(targets, { source, layers, targets: name, margin, ...(await edit('ledger', found)), targetCpuMs: ms });
      }
    if (layers !== 'last') continue;
    const { found } = await find(firstTargets, firstMargin);
    for (const method of list(values.methods)) log(methods, { source, method, ...(await edit(method, found)) });
  }
  await model.close();
}

console.log(
  JSON.stringify(
    {
      bench: 'edit-methods',
      date: new Date().toISOString(),
      machine: { cpu: cpus()[0].model, cores: availableParallelism(), loadAverage: loadavg(), node: process.version },
      ...{ model: values.model, added: added.length, d_ff: F, prior, batch: Number(values.batch) },
      ...{ rowsOnly, targets, methods },
    },
    undefined,
    2,
  ),
);
