import { EditLog } from '../editing/edit-log.ts';
import type { RunOptions, UndoOptions } from '../editing/editor.ts';
import type { EditorThread } from '../editing/editor-thread.ts';
import type { EditFigures } from '../editing/gate.ts';
import type { EditKind, EditOutcome, EditRequest } from '../editing/operations.ts';
import type { IndexService } from './index-service.ts';
import type { EditEnd, Metrics } from './metrics/metrics.ts';
import { TaskQueueFullError } from './tasks/errors.ts';
import { taskLimits } from './tasks/task.ts';

/** An edit that would cost old documents more than it may. Nothing was done. */
export class EditRefusedError extends Error {
  override readonly name = 'EditRefusedError';
  readonly figures: EditFigures;
  constructor({ figures, budget }: EditOutcome) {
    const { count, before, after } = figures.canaries;
    const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
    super(
      `edit: expected to cost old documents at most ${(100 * budget!).toFixed(2)} points of Success@1, got ${percent(before)} → ${percent(after)} on ${count} of their queries; give fewer documents at a time, other queries, or a larger budget`,
    );
    this.figures = figures;
  }
}

/** The edits of a server: one at a time, each published to all searches before it is answered. */
export class EditService {
  private index: IndexService;
  private editor: EditorThread;
  private readonly metrics: Metrics;
  private pending = 0;
  private turns: Promise<unknown> = Promise.resolve();
  /** Throws where another server edits. */
  readonly check: () => void;

  constructor(index: IndexService, editor: EditorThread, metrics: Metrics, check: () => void = () => undefined) {
    this.check = check;
    this.index = index;
    this.editor = editor;
    this.metrics = metrics;
  }

  /** The edits that searches know of. */
  get log(): EditLog {
    return new EditLog(this.index.documents);
  }

  /**
   * What became of an edit. One that was only tried may be beyond its budget; one that was meant is refused then.
   *
   * @throws EditRefusedError, TaskQueueFullError, and what the editor throws
   */
  edit(request: EditRequest, options: RunOptions = {}): Promise<EditOutcome> {
    const forgets = request.operations.some((operation) => operation.kind === 'delete' && operation.forget);
    const commit = async (): Promise<EditOutcome> => {
      const outcome = await this.editor.edit(request, options);
      if (!outcome.accepted && !request.dryRun) throw new EditRefusedError(outcome);
      return outcome;
    };
    return this.run('edit', commit, forgets);
  }

  /** @throws TaskQueueFullError, and what the editor throws */
  undo(seq: number, options: UndoOptions & RunOptions = {}): Promise<EditOutcome> {
    return this.run('undo', () => this.editor.undo(seq, options));
  }

  /** @throws TaskQueueFullError, and what the editor throws */
  revert(to: number, options: UndoOptions & RunOptions = {}): Promise<EditOutcome> {
    return this.run('revert', () => this.editor.revert(to, options));
  }

  /** Does something between two edits. Those that are asked for meanwhile wait. */
  alone<T>(body: () => Promise<T>): Promise<T> {
    const turn = this.turns.then(body);
    this.turns = turn.catch(() => undefined).then(() => this.editor.shortenLog());
    return turn;
  }

  /** Goes on with another base, to be called between two edits. Waits for the end of the thread before. */
  async replace(index: IndexService, editor: EditorThread): Promise<void> {
    const before = this.editor;
    this.index = index;
    this.editor = editor;
    await before.close();
  }

  /** Waits for what was asked for. */
  close(): Promise<void> {
    return this.editor.close();
  }

  private async run(kind: EditKind, edit: () => Promise<EditOutcome>, forgets = false): Promise<EditOutcome> {
    this.check();
    if (this.pending > taskLimits.waiting) throw new TaskQueueFullError('edit', this.pending - 1);
    this.pending++;
    const startMs = performance.now();
    let end: EditEnd = 'failed';
    try {
      const commit = async () => ({ result: await edit(), version: this.editor.version });
      const outcome = await this.alone(() => this.index.edit(commit, forgets));
      end = outcome.seq === null ? 'tried' : 'committed';
      return outcome;
    } catch (error) {
      if (error instanceof EditRefusedError) end = 'refused';
      throw error;
    } finally {
      this.pending--;
      this.metrics.edit(kind, end, performance.now() - startMs);
    }
  }
}
