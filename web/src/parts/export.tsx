// Takes a table out of the page: copies or saves all of its rows as they are filtered and sorted now.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { toText } from '../export';
import type { ExportKind, ExportRow } from '../export';
import { count } from '../format';

const SAID_MS = 3000;
const KINDS: readonly ExportKind[] = ['csv', 'json'];

interface ExportProps {
  /** What the table is called, for the file's name. */
  name: string;
  /** Asked only when somebody wants them. */
  rows: () => readonly ExportRow[];
}

export function Export({ name, rows }: ExportProps): JSX.Element {
  const menu = useRef<HTMLDetailsElement>(null);
  const [said, say] = useState('');
  useEffect(() => {
    if (said === '') return undefined;
    const timer = setTimeout(() => say(''), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const close = (): void => {
    menu.current!.open = false;
    menu.current!.querySelector('summary')?.focus();
  };
  const copyAs = (kind: ExportKind) => async (): Promise<void> => {
    const all = rows();
    close();
    say((await copy(toText(all, kind))) ? `Copied ${rowCount(all.length)}` : 'The browser did not let us copy');
  };
  const saveAs = (kind: ExportKind) => (): void => {
    const all = rows();
    close();
    save(toText(all, kind), name, kind);
    say(`Saved ${rowCount(all.length)}`);
  };
  return (
    <div class="export">
      <details
        ref={menu}
        onKeyDown={(event) => event.key === 'Escape' && menu.current!.open && close()}
        onFocusOut={(event) => {
          if (!menu.current!.contains(event.relatedTarget as Node | null)) menu.current!.open = false;
        }}
      >
        <summary class="button">{said || 'Export'}</summary>
        {/* Not every browser gives a clicked button the focus: then the menu would close before the click. */}
        <div class="menu" onMouseDown={(event) => event.preventDefault()}>
          {KINDS.map((kind) => (
            <button key={`copy ${kind}`} type="button" onClick={copyAs(kind)}>
              Copy as {kind.toUpperCase()}
            </button>
          ))}
          {KINDS.map((kind) => (
            <button key={`save ${kind}`} type="button" onClick={saveAs(kind)}>
              Save as {kind.toUpperCase()}
            </button>
          ))}
        </div>
      </details>
      <span class="sr" role="status">
        {said}
      </span>
    </div>
  );
}

function rowCount(rows: number): string {
  return rows === 1 ? '1 row' : `${count(rows)} rows`;
}

/** The clipboard's own door opens over HTTPS and on localhost only; the old way works everywhere. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyTheOldWay(text);
  }
}

/** Copies a stand-in and swaps it on the way: a text field would change line ends. */
function copyTheOldWay(text: string): boolean {
  const before = document.activeElement as HTMLElement | null;
  const field = document.createElement('textarea');
  field.className = 'sr';
  field.value = '.';
  let done = false;
  const swap = (event: ClipboardEvent): void => {
    event.clipboardData?.setData('text/plain', text);
    event.preventDefault();
    done = true;
  };
  document.body.append(field);
  field.select();
  document.addEventListener('copy', swap);
  document.execCommand('copy');
  document.removeEventListener('copy', swap);
  field.remove();
  before?.focus();
  return done;
}

function save(text: string, name: string, kind: ExportKind): void {
  const url = URL.createObjectURL(new Blob([text], { type: kind === 'csv' ? 'text/csv' : 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `smollama-${name}-${new Date().toISOString().slice(0, 19).replace(/:/g, '-')}.${kind}`;
  link.click();
  // The download has begun by then; the bytes need not stay.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
