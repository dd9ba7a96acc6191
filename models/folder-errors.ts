/** A model folder that cannot be opened or written as it stands. */
export class ModelFolderError extends Error {
  readonly file: string;
  readonly expected: string;
  readonly actual: string;

  constructor(file: string, expected: string, actual: string, advice: string) {
    super(`${file}: expected ${expected}, got ${actual}; ${advice}`);
    this.name = 'ModelFolderError';
    this.file = file;
    this.expected = expected;
    this.actual = actual;
  }
}

/** Weights that are not the ones the configuration asks for; every difference is listed. */
export class WeightShapeError extends Error {
  readonly dir: string;
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  readonly misshapen: readonly { name: string; expected: readonly number[]; actual: readonly number[] }[];

  constructor(dir: string, found: Pick<WeightShapeError, 'missing' | 'extra' | 'misshapen'>) {
    const { missing, extra, misshapen } = found;
    const shapes = misshapen.map(
      (one) => `${one.name}: expected [${one.expected.join(', ')}], got [${one.actual.join(', ')}]${transposed(one)}`,
    );
    const parts = [
      ...(missing.length > 0 ? [`missing ${several(missing)}`] : []),
      ...(extra.length > 0 ? [`unknown ${several(extra)}`] : []),
      ...(shapes.length > 0 ? [several(shapes)] : []),
    ];
    super(
      `${dir}: expected the weights config.json describes, got ${parts.join('; ')}; do config and weights belong together?`,
    );
    this.name = 'WeightShapeError';
    this.dir = dir;
    this.missing = missing;
    this.extra = extra;
    this.misshapen = misshapen;
  }
}

/** A weight name that this model does not have. */
export class UnknownWeightError extends Error {
  readonly dir: string;
  readonly tensor: string;

  constructor(dir: string, tensor: string) {
    super(`${dir}: expected a weight of this model, got ${tensor}; expectedWeights(config) lists the names`);
    this.name = 'UnknownWeightError';
    this.dir = dir;
    this.tensor = tensor;
  }
}

/** A tokenizer whose ids are not the model's. */
export class TokenizerMismatchError extends Error {
  readonly dir: string;
  readonly expected: string;
  readonly actual: string;

  constructor(dir: string, expected: string, actual: string) {
    super(`${dir}: tokenizer.json: expected ${expected}, got ${actual}; take the tokenizer the model was trained with`);
    this.name = 'TokenizerMismatchError';
    this.dir = dir;
    this.expected = expected;
    this.actual = actual;
  }
}

/** A folder that could not be written; what stood there before still stands there. */
export class ModelFolderWriteError extends Error {
  readonly dir: string;

  constructor(dir: string, cause: unknown, keptAt?: string) {
    const kept = keptAt === undefined ? '' : `; the new model is complete in ${keptAt}`;
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${dir}: expected to write a model folder, got ${reason}${kept}; what was there before is unchanged`, {
      cause,
    });
    this.name = 'ModelFolderWriteError';
    this.dir = dir;
  }
}

function transposed({ expected, actual }: { expected: readonly number[]; actual: readonly number[] }): string {
  const [out, into] = expected;
  const isTransposed = expected.length === 2 && actual.length === 2 && actual[0] === into && actual[1] === out;
  return isTransposed ? ' (stored transposed?)' : '';
}

/** Names for a message: the first five, and how many more. */
function several(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return names.slice(0, 5).join(', ') + more;
}
