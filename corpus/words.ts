/**
 * The words of a text, as everything lexical here sees them: lower-cased runs of letters, digits and combining marks,
 * with an inner apostrophe kept (`it's`, `o'neill`). Scripts written without spaces give one word per character.
 */
const unspaced = '[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}]';
const word = new RegExp(`${unspaced}|(?:(?!${unspaced})[\\p{L}\\p{N}\\p{M}])+(?:'[\\p{L}\\p{M}]+)*`, 'gu');
// The same rule where only ASCII can occur; about five times as fast.
const asciiWord = /[a-z0-9]+(?:'[a-z]+)*/g;

const onlyAscii = /^[\u0000-\u007f]*$/;

export function words(text: string): string[] {
  if (onlyAscii.test(text)) return text.toLowerCase().match(asciiWord) ?? [];
  const plain = text.normalize('NFKC').toLowerCase().replace(/[’‘ʼ]/g, "'");
  return plain.match(word) ?? [];
}

// A sentence ends at . ! or ? (with closing quotes or brackets) before white space and something that can begin one.
const sentenceEnd = /(?<=[.!?]["'”’)\]]*)\s+(?=["'“‘([]*[\p{Lu}\p{N}])|\n+/u;

/** The sentences of a text; a rule of thumb that takes "U.S. Army" apart and is good enough for pseudo-queries. */
export function sentences(text: string): string[] {
  return text.split(sentenceEnd).filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));
}
