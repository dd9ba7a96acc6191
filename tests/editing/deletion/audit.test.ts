/**
 * An audit tried on cases with a known end: a model trained without the documents is the end that every deletion is
 * after, and models that keep them in one way or another must not pass.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { importCorpus } from '../../../corpus/import-corpus.ts';
import { openStore } from '../../../corpus/store.ts';
import { BaseCorpus } from '../../../editing/base-corpus.ts';
import type { AuditCase, AuditDocument } from '../../../editing/deletion/audit-case.ts';
import { AuditError, runAudit, type AuditResult } from '../../../editing/deletion/audit.ts';
import { AuditedModel } from '../../../editing/deletion/audited-model.ts';
import { publishedFolder } from '../../../editing/deletion/published-folder.ts';
import { auditTestNames, type AuditTestName } from '../../../editing/deletion/table.ts';
import { mergeVersion } from '../../../editing/merge.ts';
import { readModelFolder, type ModelFolder } from '../../../models/folder.ts';
import { indexCorpus } from '../../../models/training/index-corpus.ts';
import { tempFolder } from '../../support/corpus-temp.ts';

const DELETED = 4;
const CONTROLS = 12;
const ALL = 48;

const store = openStore(':memory:');
importCorpus(store, join(import.meta.dirname, '../../../corpus/builtin'));
const sources = [...store.eachDocument()].slice(0, ALL);
const splits = { known: store.queries('train'), heldOut: [...store.queries('dev'), ...store.queries('test')] };
const documents = sources.map(({ docid, title, text }): AuditDocument => {
  const about = (part: keyof typeof splits): string[] =>
    splits[part].flatMap((query) => (query.relevant.includes(docid) ? [query.text] : []));
  return { docid, title, text, known: about('known'), heldOut: about('heldOut') };
});
const docids = new Set(documents.map(({ docid }) => docid));
const train = splits.known.filter(({ relevant }) => relevant.some((docid) => docids.has(docid)));
store.close();
const [deleted, controls] = [documents.slice(0, DELETED), documents.slice(DELETED, DELETED + CONTROLS)];
const others = documents.slice(DELETED + CONTROLS);

const dir = tempFolder();
const docidsOf = (list: readonly AuditDocument[]): string[] => list.map(({ docid }) => docid);

/** Trains a tiny model without some of the documents. */
async function trained(name: string, without: readonly AuditDocument[]): Promise<ModelFolder> {
  const out = join(dir, name);
  const input = { name, fingerprint: 'small', documents: sources, train, dev: [] };
  await indexCorpus(input, {
    ...{ out, size: 'tiny', steps: 60, seed: 1, resume: false, threads: 1 },
    withoutDocs: docidsOf(without),
    onProgress: () => {},
  });
  return readModelFolder(out);
}

const [withThem, withoutThem] = [await trained('with', controls), await trained('without', [...controls, ...deleted])];
const layers = [1, 2];
const opened: AuditedModel[] = [];
const open = (folder: ModelFolder, live?: ReadonlySet<string>): AuditedModel => {
  const model = new AuditedModel(folder, layers, live && { live });
  opened.push(model);
  return model;
};
after(() => Promise.all(opened.map((model) => model.close())));

const gone = new Set(docidsOf(deleted));
const base: Omit<AuditCase, 'after'> = {
  before: open(withThem),
  ...{ deleted, controls, others, traces: [], seed: 1 },
  corpus: new BaseCorpus(
    documents,
    train.map(({ text }) => text),
  ),
};

/** The model with other names for its rows; null for a row that goes. */
function renamed(name: (docid: string) => string | null): ModelFolder {
  const names = withThem.genir!.docids.map(name);
  const live = Uint8Array.from(names, (one) => Number(one !== null));
  const version = { model: { editSeq: 1, live, rows: [], deltas: [] }, docids: names };
  return publishedFolder(withThem, mergeVersion(withThem, version, null));
}

const failed = ({ tests }: AuditResult): AuditTestName[] => tests.flatMap(({ test, passed }) => (passed ? [] : [test]));

describe('an audit', () => {
  it('finds a document that is still there in every way', async () => {
    const result = await runAudit({ ...base, after: open(withThem) });
    assert.equal(result.passed, false);
    assert.deepEqual(
      result.tests.map(({ test }) => test),
      auditTestNames,
    );
    for (const test of ['output', 'paraphrases'] as const) assert.ok(failed(result).includes(test), `${test} passed`);
  });

  it('finds one that is only masked in the whole vocabulary, not among live docids', async () => {
    const live = new Set(withThem.genir!.docids.filter((docid) => !gone.has(docid)));
    const result = await runAudit({ ...base, after: open(withThem, live) });
    const [constrained, free] = result.tests.find(({ test }) => test === 'output')!.findings;
    assert.equal(constrained.value, 0);
    assert.ok(free.value > 0);
  });

  it('finds one under another name', async () => {
    const result = await runAudit({
      ...base,
      after: open(renamed((docid) => (gone.has(docid) ? `${docid}-2` : docid))),
    });
    assert.ok(failed(result).includes('output'));
  });

  it('does not find what a model was never trained with', async () => {
    const after = open(withoutThem);
    const result = await runAudit({ ...base, after, without: open(withoutThem) });
    // It trained other documents' neighbours anew; whatever else is measured, it is the bar itself.
    for (const { test, passed, findings } of result.tests)
      if (test !== 'neighbours') assert.ok(passed, `${test}: ${JSON.stringify(findings)}`);
  });

  it('sees the trace of one whose row alone is gone, beside a retrain', async () => {
    const after = open(renamed((docid) => (gone.has(docid) ? null : docid)));
    const result = await runAudit({ ...base, after, without: open(withoutThem) });
    const value = (test: AuditTestName, what: RegExp): number =>
      result.tests.find((one) => one.test === test)!.findings.find((one) => what.test(one.what))!.value;
    assert.ok(value('resurrection', /old rows$/) > value('resurrection', /in a model without them/));
    assert.ok(!failed(result).includes('output'));
    assert.equal(value('neighbours', /^change of Success@1,/), 0);
  });

  it('asks for something to compare, and something to compare it with', async () => {
    const after = open(withThem);
    await assert.rejects(runAudit({ ...base, after, deleted: [] }), AuditError);
    await assert.rejects(runAudit({ ...base, after, controls: controls.slice(0, 1) }), AuditError);
    await assert.rejects(runAudit({ ...base, after, deleted: controls }), /of the model before/);
  });
});
