/**
 * @file A benchmark in parts, each in a process of its own, so that what one leaves in memory does not count for the next. All
 * get the same folder. A part's figures come with its seconds, what its threads computed (`cpuSeconds`, which other work on the
 * machine changes less) and the most memory that its process had resident, files mapped into it included (`peakGib`).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import { packageRoot } from '../../server/paths.ts';
import { round } from './beside.ts';

export type Figures = Record<string, unknown>;
export type Parts = Readonly<Record<string, (dir: string) => Promise<Figures>>>;

/** The command line: every other option goes to all parts. */
export interface PartOptions {
  /** Names with commas. */
  readonly parts: string;
  /** A temporary one where left out, which goes away. */
  readonly dir?: string | undefined;
  /** The part that this process is. */
  readonly child?: string | undefined;
  readonly [name: string]: string | undefined;
}

/**
 * What all parts say, in their order; undefined in the process of one part, which prints its figures.
 *
 * @param file  of the benchmark
 * @param tell  gets each part's figures when it has ended
 */
export async function runParts(
  file: string,
  parts: Parts,
  { parts: list, dir, child, ...options }: PartOptions,
  tell: (figures: Figures) => void = (figures) => console.error(JSON.stringify(figures)),
): Promise<Figures[] | undefined> {
  if (child !== undefined) {
    await runPart(child, parts[child], dir!);
    return undefined;
  }
  const names = list.split(',');
  const unknown = names.find((name) => !Object.hasOwn(parts, name));
  if (unknown !== undefined) throw new Error(`--parts: expected ${Object.keys(parts).join(', ')}, got ${unknown}`);
  const place = dir ?? mkdtempSync(join(tmpdir(), `palimpsest-${basename(file, '.bench.ts')}-`));
  const given = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  try {
    return names.map((name) => {
      const [loadAverage] = loadavg();
      const args = ['--import', 'tsx', file, '--child', name, '--dir', place, ...given];
      const { stdout, status } = spawnSync(process.execPath, args, {
        ...{ cwd: packageRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
      });
      if (status !== 0) throw new Error(`part ${name}: ended with ${status}`);
      const figures = { ...(JSON.parse(stdout) as Figures), loadAverage };
      tell(figures);
      return figures;
    });
  } finally {
    if (dir === undefined) rmSync(place, { recursive: true, force: true });
  }
}

async function runPart(name: string, part: Parts[string], dir: string): Promise<void> {
  const started = performance.now();
  const figures = await part(dir);
  const seconds = tenths((performance.now() - started) / 1000);
  const { user, system } = process.cpuUsage();
  const cpuSeconds = tenths((user + system) / 1e6);
  console.log(JSON.stringify({ part: name, seconds, cpuSeconds, peakGib: memory('VmHWM'), ...figures }));
}

export const tenths = (x: number): number => Math.round(10 * x) / 10;

/** Linux: what is resident now, or was at most, in GiB. */
export function memory(field: 'VmRSS' | 'VmHWM'): number {
  const kib = Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))![1]);
  return round(kib / 2 ** 20);
}

export const machine = (): Figures => ({
  ...{ cpu: cpus()[0].model, cores: cpus().length },
  ...{ memoryGib: Math.round(totalmem() / 2 ** 30), node: process.versions.node },
});
