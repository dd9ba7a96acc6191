/** @file One method makes the edits of a plan, and is measured on the way. */
import type { ModelVersion } from '../../models/decode.ts';
import type { Decoder } from '../../models/open-decoder.ts';
import type { EditModel } from '../edit-model.ts';
import { EditedModel, type EditState } from '../edited-model.ts';
import { editedVersion, versionBase, type AddedDocument } from '../edited-version.ts';
import { encodeEntry } from '../entry-codec.ts';
import { makeDocumentEntry, type Entry } from '../entry.ts';
import type { NamedVersion } from '../merge.ts';
import type { EditSettings } from '../presets.ts';
import type { QueryBank } from '../query-bank.ts';
import { measure, type Measured } from './measure.ts';
import type { BenchEdit, BenchPlan } from './plan.ts';
import { tableOf, type Point } from './result.ts';

/** One after the other, or all in one solve. */
export type EditMode = 'sequential' | 'batch';

export interface OpenedBase {
  readonly model: EditModel;
  readonly bank: QueryBank;
  readonly decoder: Decoder;
}

export interface EditedRun {
  readonly after: Measured;
  readonly unmasked: Measured;
  readonly drift: number;
  readonly seconds: number[];
  readonly bytes: number[];
  readonly undone: boolean;
  readonly curve: Point[];
}

export interface EditedRunOptions {
  readonly settings: EditSettings;
  readonly mode: EditMode;
  /** After how many edits to measure, ascending; the last are all. */
  readonly points: readonly number[];
  readonly onEdit: (done: number) => void;
}

export async function runEdits(base: OpenedBase, plan: BenchPlan, options: EditedRunOptions): Promise<EditedRun> {
  const run = new Run(base, plan, options);
  return options.mode === 'batch' ? run.batch() : run.sequential();
}

class Run {
  private readonly base: OpenedBase;
  private readonly plan: BenchPlan;
  private readonly options: EditedRunOptions;
  private readonly rowOf: ReadonlyMap<string, number>;
  private readonly seconds: number[] = [];
  private readonly bytes: number[] = [];
  private readonly curve: Point[] = [];

  constructor(base: OpenedBase, plan: BenchPlan, options: EditedRunOptions) {
    this.base = base;
    this.plan = plan;
    this.options = options;
    this.rowOf = new Map(base.model.folder.genir!.docids.map((docid, row) => [docid, row]));
  }

  async sequential(): Promise<EditedRun> {
    const { decoder } = this.base;
    const edited = await this.open();
    const start = edited.state;
    const made: Entry[] = [];
    let after: Measured = {};
    for (const [i, edit] of this.plan.edits.entries()) {
      const from = performance.now();
      const add = await this.entriesOf(edit, i);
      const state = await edited.trial({ add });
      edited.apply(state);
      made.push(...add);
      await decoder.publish(this.version(state, made).model);
      this.seconds.push((performance.now() - from) / 1000);
      this.bytes.push(sizeOf(add));
      this.options.onEdit(i + 1);
      if (this.options.points.includes(i + 1)) after = await this.point(state, made, i + 1);
    }
    return this.finish(edited, start, made, after);
  }

  /** Entries do not depend on each other, so that those of the first edits serve every point. */
  async batch(): Promise<EditedRun> {
    const { edits } = this.plan;
    const entries: Entry[][] = [];
    for (const [i, edit] of edits.entries()) {
      const from = performance.now();
      entries.push(await this.entriesOf(edit, i));
      this.seconds.push((performance.now() - from) / 1000);
      this.bytes.push(sizeOf(entries[i]));
      this.options.onEdit(i + 1);
    }
    let edited = await this.open();
    const start = edited.state;
    let after: Measured = {};
    for (const done of this.options.points) {
      edited = await this.open();
      const add = entries.slice(0, done).flat();
      const from = performance.now();
      const state = await edited.trial({ add });
      edited.apply(state);
      await this.base.decoder.publish(this.version(state, add).model);
      const each = (performance.now() - from) / 1000 / done;
      if (done === edits.length) for (let i = 0; i < done; i++) this.seconds[i] += each;
      after = await this.point(state, add, done);
    }
    return this.finish(edited, start, entries.flat(), after);
  }

  private open(): Promise<EditedModel> {
    return EditedModel.open(this.base.model, this.base.bank, this.options.settings, []);
  }

  private async entriesOf(edit: BenchEdit, i: number): Promise<Entry[]> {
    const { model, bank } = this.base;
    const { settings } = this.options;
    const id = String(i).padStart(8, '0');
    const row = this.rowOf.get(edit.docid);
    if (edit.kind === 'delete') return [{ kind: 'removal', id, row: row!, pairs: new Map() }];
    const { docid, content, queries } = edit;
    const replaces = edit.kind === 'change' && { replaces: { row: row! } };
    const source = { id, docid, title: content.title, text: content.text, queries, ...replaces };
    return [await makeDocumentEntry(model, bank, source, settings)];
  }

  /** Base rows stay; documents that came have rows behind them in the order in which they came. */
  private version(state: EditState, entries: readonly Entry[]): NamedVersion {
    const docids: (string | null)[] = [...this.base.model.folder.genir!.docids];
    const added: AddedDocument[] = [];
    for (const entry of entries) {
      if (entry.kind !== 'document') continue;
      const { id } = entry;
      added.push({ document: docids.length, prefix: state.prefixes.get(id)!, row: state.rows.get(id)! });
      docids.push(entry.docid);
    }
    const live = new Uint8Array(docids.length).fill(1);
    for (const document of state.dead) live[document] = 0;
    const base = versionBase(this.base.model.folder);
    const { dead: gone, deltas } = state;
    return { docids, model: editedVersion(base, { editSeq: 1, live, added, gone, deltas }) };
  }

  private async point(state: EditState, entries: readonly Entry[], done: number): Promise<Measured> {
    const { docids } = this.version(state, entries);
    const after = await measure({ model: this.base.decoder, docids }, this.plan, done);
    this.curve.push({ edits: done, drift: state.drift, after: tableOf(after) });
    return after;
  }

  private async finish(
    edited: EditedModel,
    start: EditState,
    entries: readonly Entry[],
    after: Measured,
  ): Promise<EditedRun> {
    const { state } = edited;
    const unmasked = await this.unmasked(state, entries);
    const remove = entries.map(({ id }) => id);
    const undone = await edited.trial({ remove });
    edited.apply(undone);
    return {
      ...{ after, unmasked, drift: state.drift, curve: this.curve, seconds: this.seconds, bytes: this.bytes },
      undone: sameVersion(this.version(start, []).model, this.version(edited.state, []).model),
    };
  }

  /** Questions about deleted documents, with their rows answered again. */
  private async unmasked(state: EditState, entries: readonly Entry[]): Promise<Measured> {
    const { deleted } = this.plan.questions;
    if (!deleted.length) return {};
    const { model, docids } = this.version(state, entries);
    const gone = new Set(deleted.flatMap(({ relevant }) => relevant));
    const live = model.live.map((is, row) => (is || gone.has(docids[row]!) ? 1 : 0));
    await this.base.decoder.publish({ ...model, live });
    const questions = { old: [], new: [], changed: [], obsolete: [], deleted };
    return measure({ model: this.base.decoder, docids }, { ...this.plan, questions });
  }
}

const sizeOf = (entries: readonly Entry[]): number =>
  entries.reduce((sum, entry) => sum + encodeEntry(entry).byteLength, 0);

/** Byte for byte; a delta of zeros is none. */
export function sameVersion(a: ModelVersion, b: ModelVersion): boolean {
  const parts = ({ live, rows, paths = [], deltas }: ModelVersion): string =>
    JSON.stringify([
      [...live],
      paths.map(({ document, tokens }) => [document, [...tokens]]),
      rows.map(({ row, values }) => [row, bytesOf(values)]),
      deltas
        .filter(({ delta }) => delta.some((value) => value !== 0))
        .map(({ weight, delta }) => [weight, bytesOf(delta)])
        .sort(),
    ]);
  return parts(a) === parts(b);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');
