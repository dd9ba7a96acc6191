/**
 * @file `genir.json`: which documents a model answers with, and by which tokens. Atomic docids are version 1: one
 * vocabulary entry for each document. Docids that are paths are version 2: token names, and the names of the vocabulary
 * entries behind the words.
 */
import { z } from 'zod';
import type { DocidScheme } from '../corpus/docids/scheme.ts';
import type { PathIds } from '../corpus/docids/trie.ts';
import { ModelFolderError, TokenizerMismatchError } from './folder-errors.ts';
import { addedTokens, tokenIds } from './token-ids.ts';

const corpusSchema = z.looseObject({
  /** Of the documents trained on; null where nobody recorded it (checkpoints made elsewhere). */
  fingerprint: z.string().nullable(),
  documents: z.int().nonnegative(),
  name: z.string().optional(),
});

const atomicSchema = z.looseObject({
  format: z.literal('palimpsest-genir'),
  version: z.literal(1),
  scheme: z.literal('atomic'),
  /** Row i of the docids is vocabulary entry firstDocidToken + i. */
  docids: z.array(z.string().min(1)),
  firstDocidToken: z.int().positive(),
  corpus: corpusSchema,
  /** How it was trained; free. */
  training: z.record(z.string(), z.unknown()).optional(),
  /** The stages the analysis found; free. */
  stages: z.unknown().optional(),
});
export type AtomicGenir = z.infer<typeof atomicSchema>;

const pathSchema = z.looseObject({
  format: z.literal('palimpsest-genir'),
  version: z.literal(2),
  scheme: z.enum(['naive', 'semantic', 'hashed', 'lexical']),
  /** A document's place here is its number. */
  docids: z.array(z.string().min(1)),
  /** Of each document: the names of its tokens, a blank between two. */
  paths: z.array(z.string().min(1)),
  /** Names of the vocabulary entries behind the words: entry firstDocidToken + i is codes[i]. */
  codes: z.array(z.string().regex(/^\S+$/, 'expected a name without blanks')),
  /** The code that is read in the place of first tokens which documents that come later have for themselves. */
  later: z.string().optional(),
  firstDocidToken: z.int().positive(),
  corpus: corpusSchema,
  training: z.record(z.string(), z.unknown()).optional(),
  stages: z.unknown().optional(),
});
export type PathGenir = z.infer<typeof pathSchema>;

export type Genir = AtomicGenir | PathGenir;

const schemas: { readonly [S in DocidScheme]: { version: number; schema: z.ZodType<Genir> } } = {
  atomic: { version: 1, schema: atomicSchema },
  naive: { version: 2, schema: pathSchema },
  semantic: { version: 2, schema: pathSchema },
  hashed: { version: 2, schema: pathSchema },
  lexical: { version: 2, schema: pathSchema },
};

/** @param file names the source in errors */
export function parseGenir(json: unknown, file = 'genir.json'): Genir {
  const fail = (expected: string, actual: string, advice: string): never => {
    throw new ModelFolderError(file, expected, actual, advice);
  };
  const head = z.looseObject({ format: z.unknown(), version: z.unknown(), scheme: z.unknown() }).safeParse(json);
  if (head.data?.format !== 'palimpsest-genir')
    return fail('"format": "palimpsest-genir"', show(head.data?.format), 'is this our genir.json?');
  const { scheme, version } = head.data;
  if (typeof scheme !== 'string' || !Object.hasOwn(schemas, scheme)) {
    const known = `a docid scheme of: ${Object.keys(schemas).join(', ')}`;
    return fail(known, show(scheme), 'open it with a Palimpsest that knows the scheme');
  }
  const wanted = schemas[scheme as Genir['scheme']];
  if (version !== wanted.version)
    return fail(`version ${wanted.version}`, `version ${show(version)}`, 'open it with a newer Palimpsest');
  const parsed = wanted.schema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return fail(`a valid ${issue.path.join('.')}`, issue.message, 'correct the file');
  }
  const genir = parsed.data;
  const twice = firstRepeated(genir.docids);
  if (twice !== undefined) return fail('each docid once', `${show(twice)} twice`, 'correct the file');
  if (genir.scheme !== 'atomic') checkPaths(genir, fail);
  return genir;
}

/** Each document has a path, and none ends inside another. */
function checkPaths(
  { docids, paths, codes, later }: PathGenir,
  fail: (expected: string, actual: string, advice: string) => never,
): void {
  if (paths.length !== docids.length)
    fail('a path for each docid', `${docids.length} docids and ${paths.length} paths`, 'correct the file');
  const code = firstRepeated(codes);
  if (code !== undefined) fail('each code once', `${show(code)} twice`, 'correct the file');
  if (later !== undefined && !codes.includes(later))
    fail('a code for documents that come later', `${show(later)}, which is none`, 'correct the file');
  const documents = new Map(paths.map((path, document) => [path, document]));
  if (later !== undefined && documents.has(later))
    fail('no path of the code of later documents alone', `that of ${docids[documents.get(later)!]}`, remake);
  const expected = 'paths of which none ends inside another';
  paths.forEach((path, document) => {
    const other = documents.get(path)!;
    if (other !== document) fail(expected, `${show(path)} of both ${docids[document]} and ${docids[other]}`, remake);
    for (let end = path.indexOf(' '), length = 1; end >= 0; end = path.indexOf(' ', end + 1), length++) {
      const inside = documents.get(path.slice(0, end));
      if (inside !== undefined)
        fail(expected, `that of ${docids[inside]} at token ${length} of that of ${docids[document]}`, remake);
    }
  });
}
const remake = 'make the docids anew';

/**
 * The paths of a model in token ids. A name is looked up among the codes first, then in the tokenizer's vocabulary.
 *
 * @throws ModelFolderError  for a name that neither has
 */
export function pathIds(
  { paths, docids, codes, firstDocidToken }: PathGenir,
  tokenizerJson: unknown,
  file = 'genir.json',
): PathIds {
  const ids = tokenIds(tokenizerJson);
  codes.forEach((code, i) => ids.set(code, firstDocidToken + i));
  const tokens: number[] = [];
  const offsets = Int32Array.from({ length: paths.length + 1 }, (_, n) => {
    for (const name of n > 0 ? paths[n - 1].split(' ') : []) {
      const id = ids.get(name);
      if (id === undefined) {
        const actual = `${show(name)} in the path of ${docids[n - 1]}`;
        const advice = 'do genir.json and tokenizer.json belong together?';
        throw new ModelFolderError(file, 'tokens that are codes or in the tokenizer’s vocabulary', actual, advice);
      }
      tokens.push(id);
    }
    return tokens.length;
  });
  return { tokens: Int32Array.from(tokens), offsets };
}

/**
 * What the decoder reads for a token of a path. Entries behind the code of later documents are such documents' own: where
 * one begins a path, it is read as that code.
 */
export function inputToken({ later, codes, firstDocidToken }: PathGenir): (token: number) => number {
  const code = later === undefined ? Infinity : firstDocidToken + codes.indexOf(later);
  return (token) => Math.min(token, code);
}

// ---------------------------------------------------------------------------------------------- schemes

/** A folder and what it answers with: a `ModelFolder` is one. */
interface Answering {
  readonly dir: string;
  readonly genir: Genir | undefined;
}

export class NotAnIndexError extends Error {
  override readonly name = 'NotAnIndexError';
  readonly dir: string;
  constructor(dir: string) {
    super(
      `${dir}: expected a model with docids (genir.json, or @DOC_ID_…@ tokens), got a plain T5; make one with "index --from ${dir}"`,
    );
    this.dir = dir;
  }
}

/** A model whose docids are paths, where each must be one token. */
export class NotAtomicError extends Error {
  override readonly name = 'NotAtomicError';
  readonly dir: string;
  readonly scheme: PathGenir['scheme'];
  constructor(dir: string, scheme: PathGenir['scheme']) {
    super(`${dir}: expected a model with atomic docids, got ${scheme} ones; use a model made with "--docids atomic"`);
    this.dir = dir;
    this.scheme = scheme;
  }
}

/** The docid table of a model whose docids are single tokens. @throws NotAnIndexError, NotAtomicError */
export function atomicGenir({ dir, genir }: Answering): AtomicGenir {
  if (!genir) throw new NotAnIndexError(dir);
  if (genir.scheme !== 'atomic') throw new NotAtomicError(dir, genir.scheme);
  return genir;
}

/** Of a checkpoint that was trained elsewhere: nothing is known of how its docid rows and its words belong together. */
export const isImported = ({ training }: Genir): boolean => training?.imported !== undefined;

/** The number of vocabulary entries behind the words that belong to docids. */
export const docidEntries = (genir: Genir): number =>
  genir.scheme === 'atomic' ? genir.docids.length : genir.codes.length;

/** Names of those entries, as a tokenizer may have them. */
export const entryName = (genir: Genir, entry: number): string =>
  genir.scheme === 'atomic' ? `@DOC_ID_${genir.docids[entry]}@` : genir.codes[entry];

// ---------------------------------------------------------------------------------------------- other people's

const docidToken = /^@DOC_ID_(.+)@$/s;

/** The docids of a checkpoint made with the paper's code: one added token `@DOC_ID_<id>@` for each document. */
export function genirOfTokenizer(dir: string, tokenizerJson: unknown): Genir | undefined {
  const docids = addedTokens(tokenizerJson)
    .flatMap(
      ({ id, content }) =>
        docidToken
          .exec(content)
          ?.slice(1)
          .map((docid) => ({ id, docid })) ?? [],
    )
    .sort((a, b) => a.id - b.id);
  if (docids.length === 0) return undefined;
  const firstDocidToken = docids[0].id;
  const stray = docids.find(({ id }, i) => id !== firstDocidToken + i);
  if (stray)
    throw new TokenizerMismatchError(
      dir,
      'docid tokens with consecutive ids',
      `@DOC_ID_${stray.docid}@ at ${stray.id}`,
    );
  return {
    format: 'palimpsest-genir',
    version: 1,
    scheme: 'atomic',
    docids: docids.map(({ docid }) => docid),
    firstDocidToken,
    corpus: { fingerprint: null, documents: docids.length },
    training: { imported: true },
  };
}

function firstRepeated(values: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (const value of values) {
    if (seen.has(value)) return value;
    seen.add(value);
  }
  return undefined;
}

const show = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value));
