import type { LexicalTeacher } from '../corpus/bm25.ts';
import type { QueryableText } from '../corpus/pseudo-queries.ts';
import { docidPlaces, RESERVED } from '../models/training/docid-space.ts';
import { reservedMean, textRow, weightedTokens, type RowForm } from '../models/training/text-rows.ts';
import type { EditModel } from './edit-model.ts';

/**
 * Docid rows of texts that the model was not trained on, made as training makes rows of text alone, with the word statistics
 * of the base documents and the mean length of their rows.
 */
export class TextRowMaker {
  private readonly teacher: LexicalTeacher;
  private readonly embeddings: Float32Array;
  private readonly like: RowForm;
  private readonly D: number;
  private readonly encode: (word: string) => readonly number[];

  constructor(model: EditModel, teacher: LexicalTeacher) {
    const { config, tokenizer } = model.lab;
    const { data, shape } = model.documentRows;
    const D = (this.D = shape[1]);
    let length = 0;
    for (let at = 0; at < data.length; at += D)
      length += Math.hypot(...data.subarray(at + RESERVED, at + D)) / shape[0];
    this.teacher = teacher;
    // As far as words go: docid rows are never looked up.
    this.embeddings = model.folder.rows('shared.weight', 0, model.atomicLab.wordTokens.at(-1)! + 1);
    this.like = { length, reserved: reservedMean(data, D), places: docidPlaces(config) };
    const pieces = new Map<string, readonly number[]>();
    this.encode = (word) => {
      let known = pieces.get(word);
      if (!known) pieces.set(word, (known = tokenizer.encode(word).slice(0, -1)));
      return known;
    };
  }

  /** float32 [D]; in the reserved dimensions the mean of all base rows. */
  row(document: QueryableText): Float32Array {
    const impacts = this.teacher.impacts(document);
    const tokens = weightedTokens(document, (name) => impacts.get(name) ?? 0, this.encode);
    return textRow(tokens, this.embeddings, this.D, this.like);
  }
}
