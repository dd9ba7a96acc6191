/** A file that cannot be imported as it is. When an import throws it, the store is as it was before. */
export class ImportError extends Error {
  override readonly name = 'ImportError';
  /** The file as a person would name it: relative to the folder that is imported. */
  readonly file: string;
  /** Counted from 1; undefined when the file as a whole is meant. */
  readonly line: number | undefined;
  readonly expected: string;
  readonly actual: string;
  constructor(place: FilePlace, expected: string, actual: string, options?: ErrorOptions) {
    const where = place.line === undefined ? place.file : `${place.file}:${place.line}`;
    super(`${where}: expected ${expected}, got ${actual}`, options);
    this.file = place.file;
    this.line = place.line;
    this.expected = expected;
    this.actual = actual;
  }
}

export interface FilePlace {
  file: string;
  line?: number | undefined;
}
