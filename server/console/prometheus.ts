/** Reads what `/metrics` answers, in Prometheus' text format 0.0.4. */

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Samples by name, in the order in which they came. */
export type Scrape = ReadonlyMap<string, readonly Sample[]>;

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const escapes: Readonly<Record<string, string>> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };

export function readScrape(text: string): Scrape {
  const samples = new Map<string, Sample[]>();
  for (const row of text.split('\n')) {
    const [, name, labels = '', value] = line.exec(row) ?? [];
    if (name === undefined) continue;
    const pairs = [...labels.matchAll(label)].map(([, key, quoted]) => [
      key,
      quoted.replace(/\\[n"\\]/g, (escaped) => escapes[escaped]),
    ]);
    const known = samples.get(name) ?? [];
    known.push({
      labels: Object.fromEntries(pairs) as Record<string, string>,
      value: Number(value.replace('Inf', 'Infinity')),
    });
    samples.set(name, known);
  }
  return samples;
}

type Choice = (labels: Sample['labels']) => boolean;

/** The sum of all samples of a name that are chosen; undefined where there are none. */
export function sumOf(scrape: Scrape, name: string, choose: Choice = () => true): number | undefined {
  const chosen = (scrape.get(name) ?? []).filter(({ labels }) => choose(labels));
  return chosen.length > 0 ? chosen.reduce((sum, { value }) => sum + value, 0) : undefined;
}

/** Counts of a histogram by upper bound, not cumulated, summed over all other labels. */
export type Buckets = readonly { readonly most: number; readonly count: number }[];

export function bucketsOf(scrape: Scrape, name: string, choose: Choice = () => true): Buckets {
  const upTo = new Map<number, number>();
  for (const { labels, value } of scrape.get(`${name}_bucket`) ?? []) {
    if (!choose(labels)) continue;
    const most = Number(labels.le.replace('Inf', 'Infinity'));
    upTo.set(most, (upTo.get(most) ?? 0) + value);
  }
  let before = 0;
  return [...upTo]
    .sort(([a], [b]) => a - b)
    .map(([most, count]) => {
      const own = { most, count: count - before };
      before = count;
      return own;
    });
}

/** What came between two scrapes; where the server started anew between them, what came since its start. */
export function between(before: Buckets, after: Buckets): Buckets {
  const counts = new Map(before.map(({ most, count }) => [most, count]));
  const grown = after.map(({ most, count }) => ({ most, count: count - (counts.get(most) ?? 0) }));
  return grown.some(({ count }) => count < 0) ? after : grown;
}

export const countOf = (buckets: Buckets): number => buckets.reduce((sum, { count }) => sum + count, 0);

/**
 * The value below which a share of the observations lies, straight between the bounds of its bucket, as Prometheus'
 * `histogram_quantile` has it; of the last bucket its lower bound. Undefined where nothing was observed.
 */
export function quantile(buckets: Buckets, share: number): number | undefined {
  const wanted = share * countOf(buckets);
  if (wanted === 0) return undefined;
  let below = 0;
  let least = 0;
  for (const { most, count } of buckets) {
    if (below + count >= wanted && count > 0)
      return most === Infinity ? least : least + ((most - least) * (wanted - below)) / count;
    below += count;
    least = most;
  }
  return least;
}
