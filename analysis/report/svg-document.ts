import { plot, type PlotOptions } from '@observablehq/plot';
import { parseHTML } from 'linkedom';

/** The part of an SVG element that is used here: the project is compiled without the types of a browser. */
export interface SvgElement {
  readonly childNodes: Iterable<SvgElement>;
  readonly localName: string;
  readonly innerHTML: string;
  append(...children: SvgElement[]): void;
  remove(): void;
}

interface SvgDocument {
  createElementNS(namespace: string, name: string): SvgElement;
}

export const svgNamespace = 'http://www.w3.org/2000/svg';

let made: SvgDocument | undefined;
/** Where elements are made; one for all figures, since they leave it as text. */
const svgDocument = (): SvgDocument =>
  (made ??= (parseHTML('<html></html>') as unknown as { document: SvgDocument }).document);

/**
 * Plot's picture, without its style sheet: that is for pages that have none, and a content security policy may forbid
 * it. Colours, opacities and symbols are taken as they are.
 */
export function plotSvg(options: Omit<PlotOptions, 'document' | 'color' | 'opacity' | 'symbol'>): SvgElement {
  const identity = { type: 'identity' } as const;
  const scales = { color: identity, opacity: identity, symbol: identity };
  const svg = plot({ ...options, ...scales, document: svgDocument() }) as unknown as SvgElement;
  for (const child of [...svg.childNodes]) if (child.localName === 'style') child.remove();
  return svg;
}

/** Marks on a plain sheet, placed by pixels. */
export function sheetSvg(width: number, height: number, marks: NonNullable<PlotOptions['marks']>): SvgElement {
  const pixels = { type: 'identity', axis: null } as const;
  const group = svgDocument().createElementNS(svgNamespace, 'g');
  group.append(...plotSvg({ x: pixels, y: pixels, width, height, margin: 0, marks }).childNodes);
  return group;
}
