import type { Lab } from '../../analysis/lab.ts';
import { answer } from '../../analysis/population.ts';

/** Queries that a model of random weights answers correctly: each about the document that it ranks first. */
export async function ownQueries(lab: Lab, texts: readonly string[]): Promise<{ text: string; docid: string }[]> {
  const documents = Array.from(lab.genir.docids, (_, row) => row);
  const answered = await answer(
    lab,
    texts.map((text, i) => ({ id: `q${i}`, text, documents })),
  );
  return answered.map(({ text, document }) => ({ text, docid: lab.genir.docids[document] }));
}
