/** Activations at one step of a path, read in one run over the whole path, without caches. */
import type { PathLab } from '../../analysis/path-lab.ts';
import { rowsAt } from '../../analysis/path-population.ts';
import type { Question } from '../../analysis/population.ts';
import type { ActivationName } from '../../models/activations.ts';
import { tensor, type FloatTensor } from '../../models/session.ts';

/** @param step  counted from 1; questions whose docid is shorter are left out  @returns float32 [n, …] each */
export async function readAtStep(
  lab: PathLab,
  questions: readonly Question[],
  step: number,
  read: readonly ActivationName[],
): Promise<{ readonly asked: readonly Question[]; readonly reading: Readonly<Record<string, FloatTensor>> }> {
  const asked = questions.filter(({ document }) => lab.pathOf(document).length >= step);
  const reading = await lab.decode(
    await lab.encode(asked.map(({ text }) => text)),
    asked.map(({ document }) => lab.inputsOf(document)),
    { read },
  );
  const rows = Object.entries(reading).map(
    ([
      name,
      {
        data,
        shape: [Q, T, ...rest],
      },
    ]) => {
      const width = rest.reduce((a, b) => a * b, 1);
      const flat = rowsAt(tensor(data, [Q, T, width]), asked.map((_, q) => [q, step - 1])); // prettier-ignore
      return [name, tensor(flat.data, [Q, ...rest])];
    },
  );
  return { asked, reading: Object.fromEntries(rows) as Record<string, FloatTensor> };
}
