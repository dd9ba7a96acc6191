/**
 * Light English stemming for lexical scores: possessives, plurals, -ing and -ed, an undoubled consonant, a final -e,
 * y as i.
 * It only has to send forms of a word to the same place ("editing", "edits", "edited" → "edit"); it knows no exceptions.
 */
export function stem(word: string): string {
  let w = word.endsWith("'s") ? word.slice(0, -2) : word;
  if (w.length <= 3 || !/^[a-z]+$/.test(w)) return w;
  if (w.endsWith('ies') && w.length > 4) w = w.slice(0, -2);
  else if (w.endsWith('sses')) w = w.slice(0, -2);
  else if (w.endsWith('s') && !w.endsWith('ss') && !w.endsWith('us') && !w.endsWith('is')) w = w.slice(0, -1);
  w = withoutSuffix(w, 'ing') ?? withoutSuffix(w, 'ed') ?? w;
  if (w.length > 3 && w.endsWith('e')) return w.slice(0, -1);
  return /[^aeiou]y$/.test(w) ? `${w.slice(0, -1)}i` : w;
}

/** The word without `suffix` where a stem with a vowel of at least three letters remains; "running" → "run". */
function withoutSuffix(word: string, suffix: string): string | undefined {
  if (!word.endsWith(suffix)) return undefined;
  const rest = word.slice(0, -suffix.length);
  if (rest.length < 3 || !/[aeiouy]/.test(rest)) return undefined;
  const doubled = /([bdfgmnprt])\1$/.test(rest);
  return doubled ? rest.slice(0, -1) : rest;
}
