/**
 * Random streams of edits, and what the corpus should be after each of them: a plain map from docids to texts and a list of
 * what was there before every edit.
 */
import type { Rng } from '../../corpus/random.ts';
import type { Operation } from '../../editing/operations.ts';
import { texts } from './tiny-model.ts';

export type Corpus = ReadonlyMap<string, string>;

export type Command =
  | { readonly kind: 'edit'; readonly operations: readonly Operation[] }
  | { readonly kind: 'undo'; readonly seq: number };

interface Done {
  readonly command: Command;
  readonly before: Corpus;
  readonly after: Corpus;
}

export class CorpusModel {
  /** What edit i + 1 did. */
  readonly history: Done[] = [];
  corpus: Corpus;

  constructor(corpus: Corpus) {
    this.corpus = corpus;
  }

  /** What would be there after a command. Undefined for an undo that must be refused. */
  after(command: Command): Corpus | undefined {
    return command.kind === 'edit' ? edited(this.corpus, command.operations) : this.undone(command.seq);
  }

  apply(command: Command): void {
    const after = this.after(command)!;
    this.history.push({ command, before: this.corpus, after });
    this.corpus = after;
  }

  /** An edit can be taken back where it is in force and its documents are as it left them, by nobody else's doing. */
  private undone(seq: number): Corpus | undefined {
    if (this.undoer(seq) !== undefined) return undefined;
    const { before, after } = this.history[seq - 1];
    const touched = this.touched(seq);
    for (let later = seq + 1; later <= this.history.length; later++) {
      const { command } = this.history[later - 1];
      if (this.undoer(later) !== undefined || (command.kind === 'undo' && command.seq > seq)) continue;
      if ([...this.touched(later)].some((docid) => touched.has(docid))) return undefined;
    }
    const corpus = new Map(this.corpus);
    for (const docid of touched) {
      if (corpus.get(docid) !== after.get(docid)) throw new Error(`stream: ${docid} is not as edit ${seq} left it`);
      const text = before.get(docid);
      if (text === undefined) corpus.delete(docid);
      else corpus.set(docid, text);
    }
    return corpus;
  }

  private undoer(seq: number): number | undefined {
    const by = this.history.findLastIndex(({ command }) => command.kind === 'undo' && command.seq === seq);
    return by < 0 || this.undoer(by + 1) !== undefined ? undefined : by + 1;
  }

  private touched(seq: number): Set<string> {
    const { command } = this.history[seq - 1];
    if (command.kind === 'undo') return this.touched(command.seq);
    return new Set(
      command.operations.flatMap((operation) =>
        operation.kind === 'add'
          ? operation.document.docid
          : operation.kind === 'rename'
            ? [operation.docid, operation.to]
            : operation.docid,
      ),
    );
  }

  /** A command of one or two operations that makes sense, or an undo of any edit there is. */
  draw(rng: Rng, number: number): Command {
    if (this.history.length && rng.next() < 0.3) return { kind: 'undo', seq: 1 + rng.int(this.history.length) };
    const operations: Operation[] = [];
    const used = new Set<string>();
    for (let i = 0; i < 1 + rng.int(2); i++) {
      const live = [...this.corpus.keys()].filter((docid) => !used.has(docid));
      const free = ['a', 'b', 'c', 'd0', 'd1'].filter((docid) => !this.corpus.has(docid) && !used.has(docid));
      const operation = drawOperation(rng, live, free, `${number} ${i}`);
      if (!operation) continue;
      operations.push(operation);
      for (const docid of operation.kind === 'add' ? [operation.document.docid] : [operation.docid]) used.add(docid);
      if (operation.kind === 'rename') used.add(operation.to);
    }
    return operations.length ? { kind: 'edit', operations } : this.draw(rng, number);
  }
}

function drawOperation(rng: Rng, live: string[], free: string[], mark: string): Operation | undefined {
  const pick = (list: string[]): string => list[rng.int(list.length)];
  const words = texts.join(' ').split(' ');
  const text = `${Array.from({ length: 12 }, () => pick(words)).join(' ')} ${mark}`;
  const kind = (['add', 'add', 'change', 'delete', 'rename'] as const)[rng.int(5)];
  if (kind === 'add') return free.length ? { kind, document: { docid: pick(free), text } } : undefined;
  if (live.length < 3) return undefined;
  const docid = pick(live);
  if (kind === 'delete') return { kind, docid };
  if (kind === 'change') return { kind, docid, document: { text } };
  return free.length ? { kind, docid, to: pick(free) } : undefined;
}

function edited(corpus: Corpus, operations: readonly Operation[]): Corpus {
  const next = new Map(corpus);
  for (const operation of operations) {
    if (operation.kind === 'add') next.set(operation.document.docid, operation.document.text);
    if (operation.kind === 'change') next.set(operation.docid, operation.document.text!);
    if (operation.kind === 'rename') next.set(operation.to, next.get(operation.docid)!);
    if (operation.kind === 'delete' || operation.kind === 'rename') next.delete(operation.docid);
  }
  return next;
}
