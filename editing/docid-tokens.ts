/**
 * @file Docids as tokens of a tokenizer, as checkpoints made with the paper's code have them (`@DOC_ID_…@`, one id for each
 * docid row): they follow when the documents change. Tokenizers without them stay as they are.
 */
import { atomicToken, docidOfAtomicToken } from '../corpus/docids/atomic.ts';
import type { ModelFolder, ModelParts } from '../models/folder.ts';

interface Token {
  readonly id: number;
  readonly content: string;
}

/** Files of the tokenizer for a model whose docid rows stand for `docids`. */
export function docidTokens(
  { tokenizerJson, tokenizerConfig, genir }: ModelFolder,
  docids: readonly string[],
): Pick<ModelParts, 'tokenizerJson' | 'tokenizerConfig'> {
  const first = genir!.firstDocidToken;
  const added = (tokenizerJson as { added_tokens?: Token[] } | undefined)?.added_tokens ?? [];
  const pattern = added.find(isDocid);
  if (!pattern) return { tokenizerJson, tokenizerConfig };
  const tokens = docids.map((docid, i) => ({ ...pattern, id: first + i, content: atomicToken(docid) }));
  const json = { ...(tokenizerJson as object), added_tokens: [...added.filter((token) => !isDocid(token)), ...tokens] };
  const decoder = (tokenizerConfig as { added_tokens_decoder?: Record<string, Token> } | undefined)
    ?.added_tokens_decoder;
  const one = decoder && Object.values(decoder).find(isDocid);
  if (!one) return { tokenizerJson: json, tokenizerConfig };
  const others = Object.entries(decoder).filter(([, token]) => !isDocid(token));
  const named = docids.map((docid, i) => [String(first + i), { ...one, content: atomicToken(docid) }] as const);
  return {
    tokenizerJson: json,
    tokenizerConfig: {
      ...(tokenizerConfig as object),
      added_tokens_decoder: Object.fromEntries([...others, ...named]),
    },
  };
}

const isDocid = ({ content }: Token): boolean => docidOfAtomicToken(content) !== undefined;
