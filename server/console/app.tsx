import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { useKey } from './key.ts';
import { to, usePlace, type Place } from './router.ts';
import { AnalysisView } from './views/analysis.tsx';
import { AuditView } from './views/audit.tsx';
import { ComparisonView } from './views/comparison.tsx';
import { DocumentsView } from './views/documents.tsx';
import { DocumentView, NewDocumentView } from './views/document.tsx';
import { EditsView } from './views/edits.tsx';
import { ImportView } from './views/import.tsx';
import { KeysView } from './views/keys.tsx';
import { MetricsView } from './views/metrics.tsx';
import { SearchView } from './views/search.tsx';
import { StatusView } from './views/status.tsx';
import { TasksView } from './views/tasks.tsx';

const views = {
  search: { name: 'Search', view: SearchView },
  documents: { name: 'Documents', view: DocumentsView },
  edits: { name: 'Edits', view: EditsView },
  comparison: { name: 'Before and after', view: ComparisonView },
  analysis: { name: 'Analysis', view: AnalysisView },
  tasks: { name: 'Tasks', view: TasksView },
  status: { name: 'Status', view: StatusView },
  metrics: { name: 'Metrics', view: MetricsView },
  audit: { name: 'Audit log', view: AuditView },
  keys: { name: 'Keys', view: KeysView },
} satisfies Record<string, { name: string; view: (place: Place) => JSX.Element }>;
type ViewName = keyof typeof views;

export function App(): JSX.Element {
  const place = usePlace();
  const hasKey = useKey() !== null;
  const current = entryOf(place.path[0]);
  const main = useRef<HTMLElement>(null);
  const address = place.path.join('/');
  const wasShown = useRef(false);
  useEffect(() => {
    const heading = main.current!.querySelector('h1');
    document.title = `${heading?.textContent ?? views[current].name} · Palimpsest console`;
    document.querySelector('nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    if (wasShown.current) heading?.focus(); // a new view is read from its beginning
    wasShown.current = true;
  }, [address]);
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current!.focus())}>
        Skip to the content
      </a>
      <header class="side">
        <p class="brand">
          <a href="/">Palimpsest</a> <small>console</small>
        </p>
        <nav aria-label="Console">
          <ul>
            {(Object.keys(views) as ViewName[]).map((name) => (
              <li key={name}>
                <a href={to([name])} {...(name === current && { 'aria-current': 'page' as const })}>
                  {views[name].name}
                  {name === 'keys' && <span class={`dot ${hasKey ? 'on' : ''}`} aria-hidden="true" />}
                  {name === 'keys' && <span class="unseen">{hasKey ? ' (one is set)' : ' (none is set)'}</span>}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <p class="elsewhere">
          <a href="/docs">API reference</a>
        </p>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {viewOf(current, place)}
      </main>
    </div>
  );
}

function viewOf(current: ViewName, place: Place): JSX.Element {
  const [first, second] = place.path;
  if (first === 'add') return <NewDocumentView />;
  if (first === 'import') return <ImportView {...place} />;
  if (current === 'documents' && second) return <DocumentView key={second} docid={second} />;
  const View = views[current].view;
  return <View {...place} />;
}

/** Which entry of the navigation an address belongs to. */
function entryOf(first: string | undefined): ViewName {
  if (first === 'add' || first === 'import') return 'documents';
  return first && Object.hasOwn(views, first) ? (first as ViewName) : 'search';
}
