/** What the bundler takes that TypeScript does not know: styles, and modules that are shared with the search page. */
declare module '*.css';

declare module '*/web/explanation.js' {
  /** @param explanation  as `POST /retrieve` gives it */
  export function explanationView(explanation: unknown, titleOf: (docid: string) => string | undefined): Node[];
}

declare module '*/web/snippet.js' {
  export function stemsOf(query: string): string[];
  export function pieces(text: string, stems: readonly string[]): { readonly text: string; readonly marked: boolean }[];
  export function excerpt(text: string, stems: readonly string[], length?: number): string;
}
