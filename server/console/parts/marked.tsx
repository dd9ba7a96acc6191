import type { JSX } from 'preact';
import { pieces } from '../../web/snippet.js';

/** A text with the words of a query marked. */
export const Marked = ({ text, stems }: { readonly text: string; readonly stems: readonly string[] }): JSX.Element => (
  <>{pieces(text, stems).map((piece) => (piece.marked ? <mark>{piece.text}</mark> : piece.text))}</>
);
