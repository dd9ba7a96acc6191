/**
 * What FTS5 takes as a word: letters, digits, private-use characters, and combining marks within them. The quoted terms
 * below are tokenized once more by FTS5, so a difference costs nothing worse than a phrase.
 */
const term = /[\p{L}\p{N}\p{Co}][\p{L}\p{N}\p{Co}\p{M}]*/gu;

/**
 * Any text as an FTS5 MATCH expression: `"who" OR "proclaimed" OR "the" OR "oil" OR "embargo"`. Every word counts, each
 * once; operators (AND, NEAR, *, ^, column filters) lose their meaning inside the quotes. Undefined when there is no word.
 */
export function matchExpression(text: string): string | undefined {
  const terms = new Set(text.toLowerCase().match(term));
  if (terms.size === 0) return undefined;
  return [...terms].map((word) => `"${word}"`).join(' OR ');
}
