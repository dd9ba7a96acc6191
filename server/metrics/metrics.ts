import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EditKind } from '../../editing/operations.ts';
import type { BatchTimes } from '../../models/pool.ts';

/** What became of an edit: only tried, refused for what it would do, or failed for any other reason. */
export type EditEnd = 'committed' | 'tried' | 'refused' | 'failed';

const milliseconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const seconds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** What happens in a server, counted as it happens, in Prometheus' terms: base units, `_total` for what only grows. */
export class Metrics {
  readonly registry = new Registry();
  private readonly requests: Histogram<'method' | 'route' | 'status'>;
  private readonly limited: Counter<'by'>;
  private readonly queueWait: Histogram;
  private readonly tokenization: Histogram;
  private readonly modelRun: Histogram;
  private readonly encoder: Histogram;
  private readonly decoder: Histogram;
  private readonly batch: Histogram;
  private readonly edits: Histogram<'kind' | 'outcome'>;

  constructor() {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.requests = new Histogram({
      name: 'palimpsest_http_request_duration_seconds',
      help: 'Time from the request to the end of its answer',
      labelNames: ['method', 'route', 'status'],
      buckets: milliseconds,
      registers,
    });
    this.limited = new Counter({
      name: 'palimpsest_http_rate_limited_total',
      help: 'Requests refused for coming too fast, by what they are counted by',
      labelNames: ['by'],
      registers,
    });
    this.queueWait = new Histogram({
      name: 'palimpsest_queue_wait_seconds',
      help: 'Time that a query waits for an inference thread',
      buckets: milliseconds,
      registers,
    });
    this.tokenization = new Histogram({
      name: 'palimpsest_tokenization_seconds',
      help: 'Time to tokenize the queries of a batch',
      buckets: [0.00005, 0.0001, ...milliseconds],
      registers,
    });
    this.modelRun = new Histogram({
      name: 'palimpsest_model_run_seconds',
      help: 'Time of encoder and decoder for a batch',
      buckets: milliseconds,
      registers,
    });
    this.encoder = new Histogram({
      name: 'palimpsest_encoder_seconds',
      help: 'Time of the encoder for a batch, where docids are paths',
      buckets: milliseconds,
      registers,
    });
    this.decoder = new Histogram({
      name: 'palimpsest_decoder_seconds',
      help: 'Time of all decoding steps for a batch, the search between them included, where docids are paths',
      buckets: milliseconds,
      registers,
    });
    this.batch = new Histogram({
      name: 'palimpsest_batch_queries',
      help: 'Queries that one run of the model answers',
      buckets: [1, 2, 4, 8, 16, 32],
      registers,
    });
    this.edits = new Histogram({
      name: 'palimpsest_edit_duration_seconds',
      help: 'Time from asking for an edit to its publication, by kind and outcome; its count is the number of edits',
      labelNames: ['kind', 'outcome'],
      buckets: seconds,
      registers,
    });
  }

  request(method: string, route: string, status: number, ms: number): void {
    this.requests.observe({ method, route, status: String(status) }, ms / 1000);
  }

  rateLimited(by: 'key' | 'address'): void {
    this.limited.inc({ by });
  }

  batchDone({ waitMs, tokenizeMs, encodeMs, totalMs }: BatchTimes): void {
    for (const ms of waitMs) this.queueWait.observe(ms / 1000);
    this.batch.observe(waitMs.length);
    this.tokenization.observe(tokenizeMs / 1000);
    this.modelRun.observe((totalMs - tokenizeMs) / 1000);
    if (encodeMs === undefined) return;
    this.encoder.observe(encodeMs / 1000);
    this.decoder.observe((totalMs - tokenizeMs - encodeMs) / 1000);
  }

  edit(kind: EditKind, outcome: EditEnd, ms: number): void {
    this.edits.observe({ kind, outcome }, ms / 1000);
  }

  /** Adds a figure that is looked up when somebody asks. */
  watch<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    read: () => readonly (readonly [Partial<Record<L, string>>, number])[],
  ): void {
    new Gauge({
      name: `palimpsest_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      collect() {
        this.reset(); // What is not there any more has no value, rather than its last one,
        if (!labelNames.length) this.remove(); // nor the 0 that a gauge without labels is reset to.
        for (const [labels, value] of read()) this.set(labels as never, value);
      },
    });
  }
}
