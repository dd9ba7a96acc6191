import { figureSvg } from './figure-svg.ts';
import { drawingOf } from './figures/drawings.ts';
import { formatNumber } from './format.ts';
import { escapeHtml, paragraphsHtml, proseHtml } from './html.ts';
import type { Figure, Section, Table } from './section.ts';
import { reportStyle } from './style.ts';
import { tableHtml } from './table-html.ts';

export interface Report {
  readonly title: string;
  /** Name of the model, and of the corpus it was trained on. */
  readonly model: string;
  readonly corpus: string;
  /** When the report was made, as the reader shall see it. */
  readonly date: string;
  /** What to know about the model before all else: name and value, such as `['documents', '1,200']`. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly sections: readonly Section[];
}

/** Widths of the two pictures of a figure: text keeps its size on a telephone. */
const widths = { wide: 680, narrow: 350 };

/** Rows of a figure's numbers that stand in the page. */
const dataRows = 500;

/** The numbers of a figure, folded. */
function numbersHtml(title: string, columns: Table['columns'], rows: Table['rows']): string {
  const left = rows.length - dataRows;
  return `<details><summary>Numbers</summary>
${tableHtml({ title, columns, rows: rows.slice(0, dataRows) })}
${left > 0 ? `<p class="quiet">${formatNumber(left)} more rows are in report.json.</p>` : ''}</details>`;
}

function figureHtml(figure: Figure): string {
  const { columns, rows } = drawingOf(figure).data(figure);
  const pictures = Object.entries(widths).map(
    ([name, width]) => `<div class="${name}">${figureSvg(figure, { width })}</div>`,
  );
  return `<figure>
<figcaption><strong>${escapeHtml(figure.title)}</strong>${figure.caption ? `<p>${proseHtml(figure.caption)}</p>` : ''}</figcaption>
${pictures.join('\n')}
${rows.length > 0 ? numbersHtml(figure.title, columns, rows) : ''}
</figure>`;
}

function sectionHtml({ id, title, about, findings, figures, tables, seconds }: Section): string {
  return `<section id="${escapeHtml(id)}">
<h2>${escapeHtml(title)}</h2>
${paragraphsHtml(about)}
${findings.length > 0 ? `<ul class="findings">${findings.map((finding) => `<li>${proseHtml(finding)}</li>`).join('\n')}</ul>` : ''}
${figures.map(figureHtml).join('\n')}
${tables.map(tableHtml).join('\n')}
${seconds === undefined ? '' : `<p class="seconds">Took ${formatNumber(seconds)} s.</p>`}
</section>`;
}

/** One HTML page that stands alone: no script, no request, and a policy that forbids both. */
export function renderReport({ title, model, corpus, date, facts, sections }: Report): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>${reportStyle}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
<p class="quiet">Model ${escapeHtml(model)}, corpus ${escapeHtml(corpus)}, ${escapeHtml(date)}</p>
<dl class="facts">
${facts.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`).join('\n')}
</dl>
</header>
<nav aria-label="Contents"><h2>Contents</h2>
<ol>
${sections.map((section) => `<li><a href="#${escapeHtml(section.id)}">${escapeHtml(section.title)}</a></li>`).join('\n')}
</ol>
</nav>
<main>
${sections.map(sectionHtml).join('\n')}
</main>
</body>
</html>
`;
}
