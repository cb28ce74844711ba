// The page around a large table: its head with search, filters and export, and words where there is nothing.
import type { ComponentChildren, JSX } from 'preact';
import type { ExportRow } from '../export';
import { count } from '../format';
import { here, model } from '../store';
import { Export } from './export';
import { Filters, NoMatch, Ways, isNarrowed } from './filters';
import { ListHead, Nothing } from './list';
import { Table } from './table';
import type { TableProps } from './table';

interface PageProps<T> extends TableProps<T> {
  name: string;
  /** What the rows are, in the plural. */
  what: string;
  placeholder: string;
  /** How many there would be without filters, if that is known. */
  total?: number;
  exported: (row: T) => ExportRow;
  /** Between the head and the table. */
  children?: ComponentChildren;
}

export function TablePage<T>(props: PageProps<T>): JSX.Element {
  const { name, title, what, placeholder, total, rows, exported, children } = props;
  const { node, filters } = here.value;
  const narrowed = isNarrowed();
  const missing = node !== null && !model.value.nodes.has(node);
  return (
    <section aria-label={title}>
      <ListHead
        title={title}
        shown={rows.length}
        {...(narrowed && total !== undefined ? { total: `of ${count(total)}` } : {})}
        placeholder={placeholder}
        end={<Export name={name} rows={() => rows.map(exported)} />}
      >
        <Ways />
        <Filters nodes={!!filters.source} />
      </ListHead>
      {children}
      {rows.length > 0 ? (
        <Table {...props} />
      ) : narrowed && model.value.loaded && !missing ? (
        <NoMatch what={what} />
      ) : (
        <Nothing>No node has sent such a reading yet.</Nothing>
      )}
      <p class="sr" role="status">
        {count(rows.length)} {what}
      </p>
    </section>
  );
}
