import type { LexicalTeacher } from '../corpus/bm25.ts';
import type { QueryableText } from '../corpus/pseudo-queries.ts';
import { takeRows } from '../models/tensor-rows.ts';
import { docidPlaces, RESERVED } from '../models/training/docid-space.ts';
import { layoutOf } from '../models/training/paths/layout.ts';
import { textPathRow, type StepForm } from '../models/training/paths/text-path.ts';
import { reservedMean, textRow, weightedTokens, type WeightedTokens } from '../models/training/text-rows.ts';
import type { FloatTensor } from '../models/session.ts';
import type { EditModel } from './edit-model.ts';

/**
 * Docid rows of texts that the model was not trained on, made as training makes rows of text alone, with the word statistics
 * of the base documents and the mean length of their rows.
 */
export class TextRowMaker {
  private readonly teacher: LexicalTeacher;
  private readonly make: (tokens: WeightedTokens) => Float32Array;
  private readonly encode: (word: string) => readonly number[];

  constructor(model: EditModel, teacher: LexicalTeacher) {
    this.teacher = teacher;
    this.make = model.later === undefined ? rowMaker(model) : pathRowMaker(model, model.later);
    const { tokenizer } = model.lab;
    const pieces = new Map<string, readonly number[]>();
    this.encode = (word) => {
      let known = pieces.get(word);
      if (!known) pieces.set(word, (known = tokenizer.encode(word).slice(0, -1)));
      return known;
    };
  }

  /** float32 [D]; of a later document's path [2·D], the first token's row and then the last one's. */
  row(document: QueryableText): Float32Array {
    const impacts = this.teacher.impacts(document);
    return this.make(weightedTokens(document, (name) => impacts.get(name) ?? 0, this.encode));
  }
}

/** In the reserved dimensions, rows have the mean of all base rows. */
function rowMaker({ documentRows, lab, folder, atomicLab }: EditModel): TextRowMaker['make'] {
  const D = lab.config.d_model;
  const length = meanLength(documentRows, new Float32Array(D));
  // As far as words go: docid rows are never looked up.
  const embeddings = folder.rows('shared.weight', 0, atomicLab.wordTokens.at(-1)! + 1);
  const like = { length, reserved: reservedMean(documentRows.data, D), places: docidPlaces(lab.config) };
  return (tokens) => textRow(tokens, embeddings, D, like);
}

/** How much longer the rows of a text are than those of base documents, which have learned where others answer. */
const LONGER = 1.2;

function pathRowMaker(model: EditModel, later: number): TextRowMaker['make'] {
  const { rows, documentRows, documents, lab, folder } = model;
  const { genir, config } = lab;
  const layout = layoutOf(genir)!;
  const D = config.d_model;
  const starts = new Set(Array.from({ length: documents }, (_, document) => model.prefixOf(document)[0]));
  const common = new Float32Array(D);
  common.set(reservedMean(documentRows.data, D));
  const form = {
    first: formOf(takeRows(rows, Int32Array.from(starts)), rows.data.slice(later * D, (later + 1) * D)),
    last: formOf(documentRows, common),
    places: docidPlaces(config),
  };
  const embeddings = folder.rows('shared.weight', 0, genir.firstDocidToken);
  return (tokens) => textPathRow(tokens, embeddings, layout, form);
}

/** @param common  what the text of a document says nothing of */
const formOf = (rows: FloatTensor, common: Float32Array): StepForm => ({
  common,
  length: LONGER * meanLength(rows, common),
});

/** Of rows less what they have in common, without the reserved dimensions. */
function meanLength({ data, shape: [N, D] }: FloatTensor, common: Float32Array): number {
  let length = 0;
  for (let at = 0; at < data.length; at += D)
    length += Math.hypot(...data.subarray(at + RESERVED, at + D).map((x, j) => x - common[RESERVED + j])) / N;
  return length;
}
