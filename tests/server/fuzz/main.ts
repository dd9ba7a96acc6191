/**
 * npm run fuzz -- [--requests 100000] [--seed 1] [--seconds N]: fuzzed requests to a server of its own; JSON on stdout, progress on stderr.
 * Exits with 1 where an answer was wrong, or memory did not come back within a tenth.
 */
import { parseArgs } from 'node:util';
import { Fuzzer } from './fuzz.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string', default: 'Infinity' },
  },
});
const fuzzer = await Fuzzer.start();
try {
  let told = 0;
  const note = (sent: number): void => {
    if (sent - told < 1000) return;
    told = sent;
    console.error(`${new Date().toISOString()} ${sent} requests`);
  };
  const options = { seconds: Number(values.seconds), note };
  const report = await fuzzer.run(Number(values.requests), Number(values.seed), options);
  const { before, after } = report.memory;
  const usedOf = ({ heapUsed, external }: typeof before): number => heapUsed + external;
  const growth = { rss: after.rss / before.rss - 1, used: usedOf(after) / usedOf(before) - 1 };
  console.log(JSON.stringify({ ...report, growth }, null, 2));
  const isSound = report.findings.length === 0 && report.alive && growth.used <= 0.1 && growth.rss <= 0.1;
  process.exitCode = isSound ? 0 : 1;
} finally {
  await fuzzer.close();
}
