import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import type { ImportLine } from '../../edit-schemas.ts';
import { measureAdditions, type Additions } from '../additions.ts';
import { send } from '../client.ts';
import { readDocuments, type ReadFile } from '../document-file.ts';
import { Figures } from '../parts/figures.tsx';
import { Empty, Wrong } from '../parts/notice.tsx';
import { to } from '../router.ts';
import { number, plural } from '../words.ts';

/** Documents that are measured together before an import; of a larger file, the first ones. */
const measured = 64;
/** Documents in one request: small, so that an import can be stopped between two. */
const together = 32;

type Measured = Additions | Error | 'measuring';

export function ImportView(): JSX.Element {
  const [file, setFile] = useState<ReadFile & { readonly name: string }>();
  const [gate, setGate] = useState<Measured>();
  const [lines, setLines] = useState<readonly ImportLine[]>([]);
  const [running, setRunning] = useState<AbortController>();
  const [error, setError] = useState<Error>();
  const newest = useRef(0);

  const choose = async (chosen: File | undefined): Promise<void> => {
    const turn = ++newest.current;
    setLines([]);
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
    const controller = new AbortController();
    setRunning(controller);
    setError(undefined);
    setLines([]);
    try {
      for (let at = 0; at < file!.documents.length && !controller.signal.aborted; at += together) {
        const some = file!.documents.slice(at, at + together);
        const done = await importLines(some.map(({ document }) => document));
        setLines((before) => [...before, ...done.map((one) => ({ ...one, line: some[one.line - 1].line }))]);
      }
    } catch (reason) {
      setError(reason as Error);
    }
    setRunning(undefined);
  };

  const total = file?.documents.length ?? 0;
  const added = lines.filter(({ status }) => status === 201).length;
  const failed = lines.filter(({ status }) => status !== 201);
  return (
    <>
      <p class="back">
        <a href={to(['documents'])}>← Documents</a>
      </p>
      <h1 tabIndex={-1}>Import a file</h1>
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
          disabled={running !== undefined}
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
          {gate && lines.length === 0 && <Gate gate={gate} total={total} />}
          <Wrong error={error} />
          {(running || lines.length > 0) && (
            <div aria-live="polite" class="task-progress">
              <progress aria-label="Documents imported" value={lines.length} max={total} />
              <span>
                {number(added)} of {plural(total, 'document')} added
                {failed.length > 0 && `, ${number(failed.length)} refused`}
                {!running && lines.length < total && ', then stopped'}
              </span>
            </div>
          )}
          {failed.length > 0 && (
            <Faults
              faults={failed.map(({ line, docid, detail, code }) => ({
                line,
                message: `${docid ?? ''}: ${detail ?? code}`,
              }))}
            />
          )}
          {total > 0 && (
            <div class="actions">
              {running ? (
                <button type="button" class="plain" onClick={() => running.abort()}>
                  Stop
                </button>
              ) : lines.length > 0 ? (
                <a class="button" href={to(['edits'])}>
                  See what it did
                </a>
              ) : (
                <button
                  type="button"
                  disabled={gate === undefined || gate === 'measuring'}
                  onClick={() => void begin()}
                >
                  Import {plural(total, 'document')}
                </button>
              )}
            </div>
          )}
        </section>
      )}
    </>
  );
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
              <li>
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
    {documents.slice(0, 3).map(({ document: { docid, title, text } }) => (
      <li>
        <code>{docid}</code> {title} <span class="clip">{text}</span>
      </li>
    ))}
  </ul>
);

const Faults = ({
  faults,
}: {
  readonly faults: readonly { readonly line: number; readonly message: string }[];
}): JSX.Element => (
  <details class="faults" open={faults.length <= 5}>
    <summary>{plural(faults.length, 'line')} with a problem</summary>
    <ul>
      {faults.slice(0, 200).map(({ line, message }) => (
        <li>
          Line {number(line)}: {message}
        </li>
      ))}
    </ul>
  </details>
);

/** What became of each document, in order; lines are counted from 1. @throws Refusal */
async function importLines(documents: readonly unknown[]): Promise<ImportLine[]> {
  const body = documents.map((document) => `${JSON.stringify(document)}\n`).join('');
  const answer = await (await send('/documents/import', { method: 'POST', body })).text();
  return answer
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ImportLine);
}
