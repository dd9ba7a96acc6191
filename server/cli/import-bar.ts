import cliProgress from 'cli-progress';
import type { ImportProgress } from '../../corpus/import.ts';

/** A progress bar on standard error for imports long enough to wonder about; silent where no one watches. */
export function importBar(): { update: (progress: ImportProgress) => void; stop: () => void } {
  let bar: cliProgress.SingleBar | undefined;
  return {
    update({ bytes, totalBytes, file }) {
      if (!process.stderr.isTTY) return;
      if (!bar) {
        bar = new cliProgress.SingleBar({
          format: 'importing {file} [{bar}] {percentage} %',
          stream: process.stderr,
          clearOnComplete: true,
          hideCursor: true,
        });
        bar.start(totalBytes, bytes, { file });
      }
      bar.update(bytes, { file });
      bar.render(); // The import keeps the event loop busy, so the bar's own timer does not fire.
    },
    stop: () => bar?.stop(),
  };
}
