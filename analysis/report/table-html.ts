import { formatValue } from './format.ts';
import { escapeHtml } from './html.ts';
import type { Column, Table } from './section.ts';

/** A cell with more letters keeps some width on a telephone, and the table scrolls. */
const longCell = 24;

function classOf({ align, format = 'text' }: Column, cells: Table['rows'][number]): string {
  if ((align ?? (format === 'text' ? 'left' : 'right')) === 'right') return ' class="right"';
  return cells.some((cell) => typeof cell === 'string' && cell.length > longCell) ? ' class="long"' : '';
}

/** A table that scrolls sideways, and downwards where it is long, within its own box. */
export function tableHtml({ title, columns, rows }: Table): string {
  const classes = columns.map((column, c) =>
    classOf(
      column,
      rows.map((row) => row[c]),
    ),
  );
  const head = columns.map(({ name }, c) => `<th scope="col"${classes[c]}>${escapeHtml(name)}</th>`).join('');
  const body = rows.map((row) => {
    const cells = columns.map(
      ({ format = 'text' }, c) => `<td${classes[c]}>${escapeHtml(formatValue(row[c], format))}</td>`,
    );
    return `<tr>${cells.join('')}</tr>`;
  });
  return (
    `<div class="table" role="region" tabindex="0" aria-label="${escapeHtml(title)}">` +
    `<table><caption>${escapeHtml(title)}</caption><thead><tr>${head}</tr></thead>\n` +
    `<tbody>${body.join('\n')}</tbody></table></div>`
  );
}
