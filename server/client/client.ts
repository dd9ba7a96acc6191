import { Documents } from './documents.ts';
import { Edits } from './edits.ts';
import { Exports } from './exports.ts';
import { Keys } from './keys.ts';
import { unreachable } from './repeat.ts';
import { Snapshots } from './snapshots.ts';
import { Tasks, type WaitOptions } from './tasks.ts';
import {
  dataOf,
  openTransport,
  withSignal,
  type CallOptions,
  type ClientOptions,
  type Transport,
} from './transport.ts';
import type {
  Analysis,
  AnalysisRequest,
  AuditEntry,
  Candidate,
  Evaluation,
  EvaluationRequest,
  Info,
  Parameters,
  Readiness,
  RetrieveBatchResponse,
  RetrieveRequest,
  RetrieveResponse,
} from './types.ts';

export type RetrieveOptions = Omit<RetrieveRequest, 'query' | 'queries' | 'explain'> & CallOptions;
/** `docid` explains this document, wherever it ranks. */
export type ExplainOptions = Omit<RetrieveOptions, 'mode' | 'allow'> & { readonly docid?: string };

/**
 * A Palimpsest server. All methods answer with what the server says and throw a `PalimpsestError` where it refuses; what
 * takes longer than a request is waited for.
 */
export class PalimpsestClient {
  readonly documents: Documents;
  readonly edits: Edits;
  readonly tasks: Tasks;
  readonly keys: Keys;
  readonly snapshots: Snapshots;
  readonly exports: Exports;
  private readonly transport: Transport;

  constructor(options: ClientOptions) {
    this.transport = openTransport(options);
    this.tasks = new Tasks(this.transport);
    this.documents = new Documents(this.transport, this.tasks);
    this.edits = new Edits(this.transport, this.tasks);
    this.keys = new Keys(this.transport);
    this.snapshots = new Snapshots(this.transport, this.tasks);
    this.exports = new Exports(this.transport, this.tasks);
  }

  /** Documents that answer a query, best first; of several queries one list each, in order. @throws PalimpsestError */
  retrieve(query: string, options?: RetrieveOptions): Promise<RetrieveResponse>;
  retrieve(queries: readonly string[], options?: RetrieveOptions): Promise<RetrieveBatchResponse>;
  retrieve(
    asked: string | readonly string[],
    { signal, ...options }: RetrieveOptions = {},
  ): Promise<RetrieveResponse | RetrieveBatchResponse> {
    const queries = typeof asked === 'string' ? { query: asked } : { queries: [...asked] };
    return this.ask({ ...queries, ...options }, { signal });
  }

  /** The first candidates, each with its `explanation` or `pathExplanation`. @throws PalimpsestError */
  async explain(query: string, { signal, docid, ...options }: ExplainOptions = {}): Promise<Candidate[]> {
    const request = { query, explain: true, ...options, ...(docid !== undefined && { allow: [docid] }) };
    return ((await this.ask(request, { signal })) as RetrieveResponse).candidates;
  }

  /** What edits did to what is found; `{}` compares the base model with the newest edit. @throws PalimpsestError */
  async evaluate(request: EvaluationRequest = {}, options: WaitOptions = {}): Promise<Evaluation> {
    const { id } = await dataOf(this.transport.api.POST('/evaluate', { body: request, ...withSignal(options) }));
    return (await this.tasks.result(id, options)) as Evaluation;
  }

  /** Looks inside the model, which takes minutes. @throws PalimpsestError */
  async analyze(request: AnalysisRequest = {}, options: WaitOptions = {}): Promise<Analysis> {
    const { id } = await dataOf(this.transport.api.POST('/analysis', { body: request, ...withSignal(options) }));
    return (await this.tasks.result(id, options)) as Analysis;
  }

  /** What the last analysis found. @throws PalimpsestError */
  async analysis(options: CallOptions = {}): Promise<Analysis> {
    return (await dataOf(this.transport.api.GET('/analysis/latest', withSignal(options)))) as Analysis;
  }

  /** Folds all edits into the base model: they cannot be undone any more. @throws PalimpsestError */
  async compact(request: { readonly removeTraces?: boolean } = {}, options: WaitOptions = {}): Promise<void> {
    const { id } = await dataOf(this.transport.api.POST('/compact', { body: request, ...withSignal(options) }));
    await this.tasks.result(id, options);
  }

  /** Who did what, newest first. @throws PalimpsestError */
  async audit(query: Parameters<'get_audit'> = {}, options: CallOptions = {}): Promise<AuditEntry[]> {
    return (await dataOf(this.transport.api.GET('/audit', { params: { query }, ...withSignal(options) }))).entries;
  }

  /** @throws PalimpsestError */
  info(options: CallOptions = {}): Promise<Info> {
    return dataOf(this.transport.api.GET('/info', withSignal(options)));
  }

  /** Whether queries are answered, and what is missing; asked once. @throws PalimpsestError */
  async ready(options: CallOptions = {}): Promise<Readiness> {
    const { url, fetch: ask } = this.transport;
    const answer = this.transport.api.GET('/readyz', { ...withSignal(options), fetch: (request) => ask(request) });
    const { data, error, response } = await answer.catch((cause: unknown) => {
      options.signal?.throwIfAborted();
      throw unreachable(`${url}/readyz`, cause);
    });
    if (response.status === 503 && error && 'checks' in error) return error;
    return data ?? dataOf(answer);
  }

  /** Figures in Prometheus' text format. @throws PalimpsestError */
  metrics(options: CallOptions = {}): Promise<string> {
    return dataOf(this.transport.api.GET('/metrics', { parseAs: 'text', ...withSignal(options) }));
  }

  private ask(request: RetrieveRequest, options: CallOptions): Promise<RetrieveResponse | RetrieveBatchResponse> {
    return dataOf(this.transport.api.POST('/retrieve', { body: request, ...withSignal(options) }));
  }
}
