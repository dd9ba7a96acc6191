/** A server in a process of its own, whose memory can be told: node --expose-gc --import tsx server-process.ts */
import { listExports, removeExport } from '../../../server/folding/exports.ts';
import { keepSnapshots } from '../../../server/snapshots/remove.ts';
import { startEditServer } from '../../support/edit-server.ts';
import { adminKey } from '../../support/server.ts';

export interface Started {
  readonly url: string;
  readonly adminKey: string;
}

/** Bytes after a collection; `lines` are what the server has logged since it was last asked. */
export interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly lines: readonly string[];
}

const server = await startEditServer({ perMinute: 0 });

async function memory(): Promise<Memory> {
  const lines = server.lines.splice(0);
  for (let round = 0; round < 3; round++) {
    gc!();
    await new Promise((resolve) => setTimeout(resolve, 50)); // finalizers run between two rounds
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heapUsed, external, lines };
}

/** Snapshots and exports would fill the disk. Those that are being written are left to the next time. */
function tidy(): Pick<Memory, 'lines' | 'rss'> {
  keepSnapshots(server.dataDir, 0);
  for (const { name } of listExports(server.dataDir)) removeExport(server.dataDir, name);
  return { lines: server.lines.splice(0), rss: process.memoryUsage.rss() };
}

process.on('message', (wish: 'memory' | 'tidy' | 'close') => {
  if (wish === 'memory') void memory().then((told) => process.send!(told));
  else if (wish === 'tidy') process.send!(tidy());
  else void server.close().then(() => process.disconnect());
});
process.send!({ url: server.url, adminKey } satisfies Started);
