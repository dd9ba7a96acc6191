import { it } from 'node:test';
import { tempFolder } from '../support/corpus-temp.ts';
import { killAtRandom } from '../support/edit-crash.ts';

it('a process that edits can be killed at any time: nothing acknowledged is lost, nothing is half done', (t) =>
  killAtRandom(tempFolder(), 10, (line) => t.diagnostic(line)));
