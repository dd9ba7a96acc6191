import { it } from 'node:test';
import { tempFolder } from '../support/corpus-temp.ts';
import { killAtRandom } from '../support/edit-crash.ts';

it('two hundred kills at random points of a stream of edits', (t) =>
  killAtRandom(tempFolder(), 200, (line) => t.diagnostic(line)));
