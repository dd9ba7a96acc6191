import { paletteStyle } from './palette.ts';

const dark = `--paper: #191714; --ink: #ece6dd; --quiet: #a79d90; --line: #3a352e; --field: #24211d; --accent: #e0a35f;
    ${paletteStyle.dark}`;

/** The style sheet of a report: wide with its contents beside it, narrow, in the dark, and on paper. */
export const reportStyle = `
:root {
  color-scheme: light dark;
  --paper: #faf7f2; --ink: #23201c; --quiet: #6a6259; --line: #ddd4c7; --field: #fff; --accent: #8a4b12;
  ${paletteStyle.light}
}
@media screen and (prefers-color-scheme: dark) {
  :root { ${dark} }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 46rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: break-word;
}
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
h1, h2 { font-family: Georgia, serif; font-weight: 600; line-height: 1.2; }
h1 { margin: 0 0 .3rem; font-size: 2rem; }
h2 { margin: 0 0 .8rem; font-size: 1.5rem; }
code { padding: .05em .3em; border-radius: .25em; background: var(--line); font-size: .9em; }
.quiet, figcaption p, .seconds { color: var(--quiet); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .9rem 1.2rem; margin: 1.4rem 0; }
.facts div { padding-top: .35rem; border-top: 2px solid var(--line); min-width: 0; }
.facts dt { color: var(--quiet); font-size: .85rem; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
nav { margin: 1.5rem 0; }
nav h2 { font: 600 .85rem/1.4 system-ui, sans-serif; margin: 0 0 .4rem; color: var(--quiet); }
nav ol { margin: 0; padding-left: 2rem; }
nav li { margin: .2rem 0; }
section { margin-top: 3rem; padding-top: 1.2rem; border-top: 1px solid var(--line); }
.findings { padding: .8rem 1rem .8rem 2rem; border-left: 4px solid var(--accent); background: var(--field); }
.findings li { margin: .25rem 0; }
figure { margin: 2rem 0; }
figcaption { margin-bottom: .6rem; }
figcaption strong { display: block; }
figcaption p { margin: 0; font-size: .92rem; }
svg.plot { display: block; max-width: 100%; height: auto; }
.narrow { display: none; }
summary { cursor: pointer; color: var(--quiet); font-size: .9rem; margin-top: .3rem; }
.table { overflow: auto; max-height: 32rem; margin: 1.5rem 0; }
details .table { margin: .5rem 0; max-height: 20rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
td { max-width: 30rem; }
td.long { min-width: 12rem; }
th { position: sticky; top: 0; background: var(--paper); color: var(--quiet); font-weight: 600; }
.right { text-align: right; }
footer { margin-top: 3rem; color: var(--quiet); font-size: .9rem; }
@media screen and (max-width: 40rem) {
  .wide { display: none; }
  .narrow { display: block; }
}
@media screen and (min-width: 68rem) {
  body { display: grid; grid-template-columns: 13rem minmax(0, 44rem); gap: 0 3.5rem; max-width: 64rem; }
  header, main { grid-column: 2; }
  nav { grid-area: 1 / 1 / 3 / 2; position: sticky; top: 1.5rem; max-height: calc(100vh - 3rem); overflow: auto; align-self: start; margin: .5rem 0; font-size: .92rem; }
}
@media print {
  @page { margin: 18mm 16mm; }
  :root { --paper: #fff; --ink: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav, details { display: none; }
  h2, figcaption { break-after: avoid; }
  figure, tr, .findings { break-inside: avoid; }
  .table { max-height: none; overflow: visible; }
  th { position: static; }
  svg.plot { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
