// What the large tables share: heads that sort, rows of one height of which only those in sight exist.
import { useEffect } from 'preact/hooks';
import type { ComponentChild, JSX, RefObject } from 'preact';
import { here, narrow, sortBy } from '../store';
import { useAnchor, useWindow } from './window';

/** As in tables.css. */
const ROW = 34;
const ROW_NARROW = 58;

export interface Column {
  /** What the rows are sorted by; also the class of its cells (`c-…`). */
  key: string;
  title: string;
  right?: boolean;
  /** Nothing to sort by. */
  fixed?: boolean;
}

export interface TableProps<T> {
  class: string;
  title: string;
  /** In the order of the first if nobody asked for another one. */
  columns: readonly Column[];
  body: RefObject<HTMLTableSectionElement | null>;
  rows: readonly T[];
  /** Changes when the reader asks for other rows. */
  question: string;
  row: (row: T, index: number) => ComponentChild;
}

/** The roles are said again: a phone shows the rows as blocks, and browsers then forget what they are. */
export function Table<T>(props: TableProps<T>): JSX.Element {
  const { columns, rows } = props;
  useTopHeight();
  return (
    <div class="sheet">
      <table class={`rows ${props.class}`} role="table" aria-label={props.title} aria-rowcount={rows.length + 1}>
        <thead role="rowgroup">
          <tr role="row" aria-rowindex={1}>
            {columns.map((column) => (
              <Head key={column.key} column={column} order={columns[0]!.key} />
            ))}
          </tr>
        </thead>
        <Body {...props} />
      </table>
    </div>
  );
}

function Body<T>({ body, rows, question, columns, row }: TableProps<T>): JSX.Element {
  const height = narrow.value ? ROW_NARROW : ROW;
  const { from, to } = useWindow(body, rows.length, height);
  useAnchor(body, rows, height, question);
  const space = (count: number): JSX.Element => (
    <tr class="space" aria-hidden="true" style={{ height: `${count * height}px` }}>
      <td colSpan={columns.length} />
    </tr>
  );
  return (
    <tbody role="rowgroup" ref={body}>
      {space(from)}
      {rows.slice(from, to).map((one, index) => row(one, from + index))}
      {space(rows.length - to)}
    </tbody>
  );
}

function Head({ column, order }: { column: Column; order: string }): JSX.Element {
  const { key, title, right, fixed } = column;
  const sort = here.value.sort ?? { key: order, descending: false };
  const mine = sort.key === key;
  const next = { key, descending: mine && !sort.descending };
  const own = next.key === order && !next.descending;
  const cell = `c-${key} ${right ? 'right' : ''}`;
  if (fixed)
    return (
      <th role="columnheader" scope="col" class={cell}>
        {title}
      </th>
    );
  return (
    <th
      role="columnheader"
      scope="col"
      class={cell}
      aria-sort={mine ? (sort.descending ? 'descending' : 'ascending') : 'none'}
    >
      <button type="button" class="sort" onClick={() => sortBy(own ? null : next)}>
        {title}
        <span class="arrow" aria-hidden="true">
          {mine ? (sort.descending ? '↓' : '↑') : ''}
        </span>
      </button>
    </th>
  );
}

/** Heads stick below the top bar, which grows with its banners. */
function useTopHeight(): void {
  useEffect(() => {
    const top = document.querySelector<HTMLElement>('.top');
    if (top === null) return undefined;
    const watch = new ResizeObserver(() =>
      document.documentElement.style.setProperty('--top', `${top.offsetHeight}px`),
    );
    watch.observe(top);
    return () => watch.disconnect();
  }, []);
}
