import { it } from 'node:test';
import { searchBesideRealEdits } from '../support/search-beside-edits.ts';

it('searches beside a minute of edits answer from exactly one version each', () => searchBesideRealEdits(60));
