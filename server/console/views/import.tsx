import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import type { TaskView } from '../../schemas.ts';
import { measureAdditions, type Additions } from '../additions.ts';
import { call } from '../client.ts';
import { readDocuments, type ReadFile } from '../document-file.ts';
import { Figures } from '../parts/figures.tsx';
import { ImportTask } from '../parts/import-task.tsx';
import { Faults } from '../parts/line-faults.tsx';
import { Empty, Wrong } from '../parts/notice.tsx';
import { go, to, type Place } from '../router.ts';
import { number, plural } from '../words.ts';

/** Documents that are measured together before an import; of a larger file, the first ones. */
const measured = 64;

type Measured = Additions | Error | 'measuring';

/** Chooses a file, or shows the import of one that was begun: that has an address, which outlives the page. */
export function ImportView({ parameters }: Place): JSX.Element {
  const task = Number(parameters.get('task') ?? NaN);
  return (
    <>
      <p class="back">
        <a href={to(['documents'])}>← Documents</a>
      </p>
      <h1 tabIndex={-1}>Import a file</h1>
      {Number.isSafeInteger(task) ? <ImportTask key={task} id={task} /> : <Choice />}
    </>
  );
}

function Choice(): JSX.Element {
  const [file, setFile] = useState<ReadFile & { readonly name: string }>();
  const [gate, setGate] = useState<Measured>();
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<Error>();
  const newest = useRef(0);

  const choose = async (chosen: File | undefined): Promise<void> => {
    const turn = ++newest.current;
    setGate(undefined);
    setError(undefined);
    setFile(undefined);
    if (!chosen) return;
    const read = readDocuments(await chosen.text());
    setFile({ ...read, name: chosen.name });
    if (read.documents.length === 0) return;
    setGate('measuring');
    const result = await measureAdditions(read.documents.slice(0, measured)).catch((reason: Error) => reason);
    if (turn === newest.current) setGate(result);
  };

  const begin = async (): Promise<void> => {
    setSending(true);
    setError(undefined);
    try {
      const body = linesOf(file!);
      const task = await call<TaskView>('/documents/import?task=true', { method: 'POST', body });
      go(to(['import'], { task: String(task.id) }));
    } catch (reason) {
      setError(reason as Error);
    }
    setSending(false);
  };

  const total = file?.documents.length ?? 0;
  return (
    <>
      <p class="lead">
        One JSON object a line, or one JSON array:{' '}
        <code>{'{"docid": "…", "title": "…", "text": "…", "metadata": {}}'}</code>; BEIR’s <code>_id</code> is taken for
        the docid.
      </p>
      <label class="file">
        <span>File of documents</span>
        <input
          type="file"
          accept=".jsonl,.ndjson,.json,application/json,application/x-ndjson"
          disabled={sending}
          onChange={({ currentTarget }) => void choose(currentTarget.files?.[0])}
        />
      </label>
      {file && (
        <section class="sheet" aria-labelledby="file">
          <h2 id="file">{file.name}</h2>
          <p>
            {plural(total, 'document')}
            {file.faults.length > 0 && `, ${plural(file.faults.length, 'line')} that cannot be read`}
          </p>
          {file.faults.length > 0 && <Faults faults={file.faults} />}
          {total === 0 ? (
            <Empty>There is nothing to import in this file.</Empty>
          ) : (
            <Sample documents={file.documents} />
          )}
          {gate && <Gate gate={gate} total={total} />}
          <Wrong error={error} />
          {total > 0 && (
            <div class="actions">
              <button
                type="button"
                disabled={sending || gate === undefined || gate === 'measuring'}
                onClick={() => void begin()}
              >
                {sending ? 'Sending …' : `Import ${plural(total, 'document')}`}
              </button>
            </div>
          )}
        </section>
      )}
    </>
  );
}

/** The documents, each in the line of the file that it came from: the server counts blank lines too. */
function linesOf({ documents }: ReadFile): string {
  const rows: string[] = [];
  for (const { line, document } of documents) {
    while (rows.length < line - 1) rows.push('');
    rows.push(JSON.stringify(document));
  }
  return rows.join('\n');
}

function Gate({ gate, total }: { readonly gate: Measured; readonly total: number }): JSX.Element {
  const all = total <= measured ? 'these documents' : `the first ${measured} of them`;
  if (gate === 'measuring') return <p role="status">Measuring what {all} would do …</p>;
  if (gate instanceof Error) return <Wrong error={gate} />;
  const { outcome, refused } = gate;
  return (
    <>
      {refused.length > 0 && (
        <div class="notice bad">
          <p>{plural(refused.length, 'of them is', 'of them are')} going to be refused:</p>
          <ul>
            {refused.map(({ line, message }) => (
              <li key={line}>
                Line {number(line)}: {message}
              </li>
            ))}
          </ul>
        </div>
      )}
      {outcome && (
        <>
          <p>What {refused.length > 0 ? 'the others' : all} would do together:</p>
          <Figures figures={outcome.figures} />
          {!outcome.accepted && (
            <p class="notice bad">
              Over the budget as one edit: documents that cost too much will be refused one by one.
            </p>
          )}
        </>
      )}
    </>
  );
}

const Sample = ({ documents }: { readonly documents: ReadFile['documents'] }): JSX.Element => (
  <ul class="sample" aria-label="First documents of the file">
    {documents.slice(0, 3).map(({ line, document: { docid, title, text } }) => (
      <li key={line}>
        <code>{docid}</code> {title} <span class="clip">{text}</span>
      </li>
    ))}
  </ul>
);
