/** JSON Schemas in words, for Markdown tables. */
import type { Schema } from './document.ts';

const nameOf = (reference: string): string => reference.slice(reference.lastIndexOf('/') + 1);

/** What a value is, in a few words; named schemas are links. */
export function typeText(schema: Schema): string {
  const { $ref, type, items, additionalProperties } = schema;
  const variants = schema.anyOf ?? (schema.properties ? undefined : schema.oneOf);
  if ($ref !== undefined) return `[${nameOf($ref)}](#${nameOf($ref).toLowerCase()})`;
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum) return schema.enum.map(code).join(' or ');
  if (variants) return [...new Set(variants.map(typeText))].join(' or ');
  if (type === 'array') return `array of ${items ? typeText(items) : 'anything'}${range(schema, 'Items', 'entries')}`;
  if (type === 'object' && typeof additionalProperties === 'object' && Object.keys(additionalProperties).length > 0)
    return `object of ${typeText(additionalProperties)}`;
  if (type === undefined) return 'anything';
  return `${[type].flat().join(' or ')}${limits(schema)}`;
}

const code = (value: unknown): string => `\`${JSON.stringify(value)}\``;

function limits(schema: Schema): string {
  if (schema.format === 'date-time') return ' (time, ISO 8601)';
  return schema.type === 'string' ? range(schema, 'Length', 'characters') : range(schema, 'imum');
}

/** ` (1 to 1000)`; the bounds of all integers say nothing. */
function range(schema: Schema, of: 'imum' | 'Length' | 'Items', unit = ''): string {
  const least = schema[`min${of}`];
  const most = schema[`max${of}`];
  const [isLow, isHigh] = [isBound(least), isBound(most)];
  const end = unit && ` ${unit}`;
  if (isLow && isHigh) return ` (${least} to ${most}${end})`;
  if (isHigh) return ` (at most ${most}${end})`;
  return isLow ? ` (at least ${least}${end})` : '';
}

const isBound = (x: number | undefined): boolean => x !== undefined && Math.abs(x) < Number.MAX_SAFE_INTEGER;

/** One table row. */
export const row = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;

const ruler = (columns: number): string => `|${'---|'.repeat(columns)}`;

export const table = (head: readonly string[], rows: readonly string[]): string =>
  [row(...head), ruler(head.length), ...rows].join('\n');

export const withDefault = ({ description = '', default: usual }: Schema): string =>
  [description, ...(usual === undefined ? [] : [`Default: ${code(usual)}.`])].filter(Boolean).join(' ');

/** A table of the fields of an object, those of objects inside it under their paths; one table for each of several kinds. */
export function fieldsText(schema: Schema): string {
  const variants = schema.anyOf ?? (schema.properties ? undefined : schema.oneOf);
  if (variants) return variants.map(fieldsText).join('\n\nor\n\n');
  const rows = fieldRows(schema, '');
  return rows.length > 0 ? table(['field', 'type', 'meaning'], rows) : typeText(schema);
}

function fieldRows({ properties = {}, required = [] }: Schema, before: string): string[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const path = `${before}${name}`;
    const optional = required.includes(name) ? '' : ' (optional)';
    return [row(`\`${path}\`${optional}`, typeText(schema), withDefault(schema)), ...inside(schema, path)];
  });
}

/** Rows of what an object, a list of objects, or one of several of them holds. */
function inside(schema: Schema, path: string): string[] {
  if (schema.properties) return fieldRows(schema, `${path}.`);
  if (schema.items) return inside(schema.items, `${path}[]`);
  if (typeof schema.additionalProperties === 'object') return inside(schema.additionalProperties, `${path}.*`);
  return (schema.anyOf ?? []).flatMap((one) => inside(one, path));
}
