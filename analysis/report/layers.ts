/** Layers in words: "layer 3", "layers 0–2 and 5". @param layers  ascending, one or more */
export function layersText(layers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const layer of layers) {
    const last = runs.at(-1);
    if (last && layer === last[1] + 1) last[1] = layer;
    else runs.push([layer, layer]);
  }
  const told = runs.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`));
  const list = told.length > 1 ? `${told.slice(0, -1).join(', ')} and ${told.at(-1)!}` : told[0];
  return `${layers.length > 1 ? 'layers' : 'layer'} ${list}`;
}
