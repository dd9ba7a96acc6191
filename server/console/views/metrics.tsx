import type { JSX } from 'preact';
import { useCallback, useEffect, useState } from 'preact/hooks';
import type { EditsResponse } from '../../edit-schemas.ts';
import { call, send } from '../client.ts';
import { useKey } from '../key.ts';
import { useEvery, useLoad } from '../load.ts';
import { Empty, Status, Wrong } from '../parts/notice.tsx';
import { Sparkline, type Point } from '../parts/sparkline.tsx';
import { SuccessChart } from '../parts/success-chart.tsx';
import { between, bucketsOf, countOf, quantile, readScrape, sumOf, type Scrape } from '../prometheus.ts';
import { to } from '../router.ts';
import { bytes, duration, number, share } from '../words.ts';

/** What the server said at some time. */
interface Look {
  readonly ms: number;
  readonly scrape: Scrape;
}

const everyMs = 5000;
/** Ten minutes. */
const kept = 120;
const editsShown = 100;

const requests = 'palimpsest_http_request_duration_seconds';
/** What people ask, without this page's own looks. */
const asked = ({ route }: Readonly<Record<string, string>>): boolean =>
  !['/metrics', '/readyz', '/livez'].includes(route);

/** One figure: its value at a look, or over the time since the look before. */
interface Figure {
  readonly name: string;
  readonly note: string;
  readonly read: (now: Look, before: Look | undefined) => Point;
  readonly text: (value: number) => string;
}

const seconds = (value: number): string => duration(value);
const latency =
  (q: number): Figure['read'] =>
  ({ scrape }, before) => {
    const now = bucketsOf(scrape, requests, asked);
    return quantile(before ? between(bucketsOf(before.scrape, requests, asked), now) : now, q);
  };
const gauge =
  (name: string): Figure['read'] =>
  ({ scrape }) =>
    sumOf(scrape, name);

const figures: readonly Figure[] = [
  {
    name: 'Requests',
    note: 'in a second',
    read: ({ ms, scrape }, before) =>
      before &&
      countOf(between(bucketsOf(before.scrape, requests, asked), bucketsOf(scrape, requests, asked))) /
        ((ms - before.ms) / 1000),
    text: (value) => value.toFixed(1),
  },
  { name: 'Median latency', note: 'half of the requests were faster', read: latency(0.5), text: seconds },
  { name: 'p99 latency', note: '99 of 100 were faster', read: latency(0.99), text: seconds },
  {
    name: 'Queries waiting',
    note: 'for an inference thread',
    read: gauge('palimpsest_queries_waiting'),
    text: number,
  },
  {
    name: 'Event loop',
    note: 'delay, p99',
    read: gauge('nodejs_eventloop_lag_p99_seconds'),
    text: seconds,
  },
  { name: 'Memory', note: 'of the process', read: gauge('process_resident_memory_bytes'), text: bytes },
  {
    name: 'Ledger',
    note: 'entries, rows and deltas in force',
    read: gauge('palimpsest_ledger_bytes'),
    text: bytes,
  },
  {
    name: 'Drift',
    note: '‖ΔW‖/‖W‖ after the last edit',
    read: gauge('palimpsest_drift_ratio'),
    text: (value) => value.toFixed(4),
  },
];

export function MetricsView(): JSX.Element {
  const hasKey = useKey() !== null;
  const [looks, setLooks] = useState<readonly Look[]>([]);
  const { data, error, reload } = useLoad(look, []);
  const edits = useLoad(
    async (signal) => (hasKey ? (await call<EditsResponse>(`/edits?limit=${editsShown}`, { signal })).edits : []),
    [hasKey],
  );
  const again = useCallback(() => document.visibilityState === 'visible' && reload(), [reload]);
  useEvery(everyMs, true, again);
  useEffect(() => {
    if (data) setLooks((before) => [...before, data].slice(-kept));
  }, [data]);
  const [first] = looks;
  const last = looks.at(-1);
  return (
    <>
      <h1 tabIndex={-1}>Metrics</h1>
      <p class="lead">
        What this server counts, every {everyMs / 1000} seconds while this page is open. <a href="/metrics">/metrics</a>{' '}
        has all of it for Prometheus, which remembers.
      </p>
      <Wrong error={error} />
      <Status>{last ? '' : 'Loading …'}</Status>
      {first && last && (
        <>
          <dl class="cards small">
            {figures.map((figure) => (
              <Card key={figure.name} figure={figure} looks={looks} />
            ))}
          </dl>
          <Totals scrape={last.scrape} />
        </>
      )}
      {!hasKey && (
        <Empty>
          <a href={to(['keys'])}>Enter a key</a> to see what edits did to old documents.
        </Empty>
      )}
      {edits.data && edits.data.length > 0 && <SuccessChart edits={edits.data} />}
    </>
  );
}

async function look(signal: AbortSignal): Promise<Look> {
  const text = await (await send('/metrics', { signal })).text();
  return { ms: performance.now(), scrape: readScrape(text) };
}

function Card({ figure, looks }: { readonly figure: Figure; readonly looks: readonly Look[] }): JSX.Element {
  const { name, note, read, text } = figure;
  // The first look has nothing before it: what it tells of the time since the start would stand beside five seconds.
  const points = looks.map((one, i) => (i > 0 ? read(one, looks[i - 1]) : undefined));
  const now = points.at(-1) ?? read(looks.at(-1)!, undefined);
  return (
    <div class="card">
      <dt>{name}</dt>
      <dd class="value">{now === undefined ? '–' : text(now)}</dd>
      <dd class="note">{note}</dd>
      <dd>
        <Sparkline name={name} points={points} text={text} />
      </dd>
    </div>
  );
}

/** What only grows, since the server was started. */
function Totals({ scrape }: { readonly scrape: Scrape }): JSX.Element {
  const edits = scrape.get('palimpsest_edit_duration_seconds_count') ?? [];
  const outcomes = new Map<string, number>();
  for (const { labels, value } of edits) outcomes.set(labels.outcome, (outcomes.get(labels.outcome) ?? 0) + value);
  const failing = sumOf(scrape, `${requests}_count`, ({ status }) => status.startsWith('5')) ?? 0;
  const canary = sumOf(scrape, 'palimpsest_canary_success_at_1');
  const batches = sumOf(scrape, 'palimpsest_batch_queries_count') ?? 0;
  const rows: [string, string][] = [
    ['Requests', number(sumOf(scrape, `${requests}_count`, asked) ?? 0)],
    ['of them failed (5xx)', number(failing)],
    ['Queries in a batch', batches ? ((sumOf(scrape, 'palimpsest_batch_queries_sum') ?? 0) / batches).toFixed(1) : '–'],
    ['Edits', [...outcomes].map(([outcome, count]) => `${number(count)} ${outcome}`).join(', ') || 'none'],
    ['Success@1 of canaries', canary === undefined ? '–' : share(canary)],
    ['Entries in force', number(sumOf(scrape, 'palimpsest_ledger_entries') ?? 0)],
  ];
  return (
    <section class="sheet" aria-labelledby="totals">
      <h2 id="totals">Since the start</h2>
      <dl class="fields">
        {rows.map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
    </section>
  );
}
