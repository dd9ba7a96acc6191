/** The part of a text that says why it was found, as pieces: plain strings, and words of the query to be marked. */

/** Words too common to be worth a mark. */
const common = new Set(
  'a an and are as at be by did do does for from had has have how in is it its of on or that the their these this those to was were what when where which who whom whose why will with'.split(
    ' ',
  ),
);

const wordPattern = /[\p{L}\p{N}]+/gu;

/** The first letters of a word, so that `vaccine` marks `vaccines` too. */
const stem = (word) => (word.length > 5 ? word.slice(0, Math.max(5, word.length - 3)) : word);

export function stemsOf(query) {
  const words = query.toLowerCase().match(wordPattern) ?? [];
  return [...new Set(words.filter((word) => !common.has(word)).map(stem))];
}

const hits = (word, stems) => {
  const lower = word.toLowerCase();
  return stems.some((one) => (one.length >= 5 ? lower.startsWith(one) : lower === one || lower === `${one}s`));
};

/** @returns {{ text: string, marked: boolean }[]} */
export function pieces(text, stems) {
  const parts = [];
  let end = 0;
  for (const { 0: word, index } of text.matchAll(wordPattern)) {
    if (!hits(word, stems)) continue;
    if (index > end) parts.push({ text: text.slice(end, index), marked: false });
    parts.push({ text: word, marked: true });
    end = index + word.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end), marked: false });
  return parts;
}

/** About `length` characters around the densest cluster of query words; the beginning where there is none. */
export function excerpt(text, stems, length = 260) {
  if (text.length <= length) return text;
  const places = [...text.matchAll(wordPattern)].filter(({ 0: word }) => hits(word, stems)).map(({ index }) => index);
  const count = (start) => places.filter((place) => place >= start && place < start + length).length;
  const best = places.reduce((a, b) => (count(b) > count(a) ? b : a), places[0] ?? 0);
  let start = Math.max(0, best - 60);
  if (start > 0) start = text.indexOf(' ', start) + 1;
  let end = Math.min(text.length, start + length);
  if (end < text.length) end = Math.max(text.lastIndexOf(' ', end), start + 1);
  return `${start > 0 ? '… ' : ''}${text.slice(start, end)}${end < text.length ? ' …' : ''}`;
}
