import { z } from 'zod';

/** Every token of a tokenizer.json with its id: the model's vocabulary and the added tokens. */
export function tokenIds(tokenizerJson: unknown): Map<string, number> {
  const ids = new Map<string, number>();
  const model = isRecord(tokenizerJson) ? tokenizerJson.model : undefined;
  const vocab: unknown = isRecord(model) ? model.vocab : undefined;
  if (Array.isArray(vocab)) {
    // Unigram: [[piece, score], …]
    vocab.forEach((piece: unknown, id) => ids.set(Array.isArray(piece) ? String(piece[0]) : `piece ${id}`, id));
  } else if (isRecord(vocab)) {
    for (const [content, id] of Object.entries(vocab)) if (typeof id === 'number') ids.set(content, id);
  }
  for (const { id, content } of addedTokens(tokenizerJson)) ids.set(content, id);
  return ids;
}

export function addedTokens(tokenizerJson: unknown): { id: number; content: string }[] {
  const added = isRecord(tokenizerJson) ? tokenizerJson.added_tokens : undefined;
  const parsed = z.array(z.looseObject({ id: z.int(), content: z.string() })).safeParse(added ?? []);
  return parsed.success ? parsed.data : [];
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
