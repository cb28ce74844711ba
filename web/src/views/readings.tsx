// Every last value of every node in one table.
import { useRef } from 'preact/hooks';
import type { JSX, RefObject } from 'preact';
import { count, plain, shown } from '../format';
import { ListHead, Nothing } from '../parts/list';
import { useOrder } from '../parts/order';
import { Spark } from '../parts/spark';
import { NodeName, oldClass } from '../parts/state';
import { Text } from '../parts/text';
import { Age } from '../parts/time';
import { Value } from '../parts/value';
import { useAnchor, useWindow } from '../parts/window';
import { readingOf, toldAt } from '../order';
import type { RowRef } from '../order';
import { isOld, sourceLabel } from '../select';
import { here, model, narrow, sortBy } from '../store';

/** As in tables.css. */
const ROW = 34;
const ROW_NARROW = 58;

const COLUMNS = [
  { key: 'node', title: 'Node', class: '' },
  { key: 'source', title: 'Source', class: '' },
  { key: 'value', title: 'Value', class: 'right' },
  { key: 'age', title: 'Age', class: 'right' },
] as const;

export function Readings(): JSX.Element {
  const { node, query, sort, filters } = here.value;
  const body = useRef<HTMLTableSectionElement>(null);
  const { rows, asked } = useOrder(body, { node, query, sort, filters });
  return (
    <section aria-label="Readings">
      <ListHead title="Readings" shown={rows.length} placeholder="Node, source, value…" />
      {rows.length === 0 ? (
        <Nothing>No node has sent a reading yet.</Nothing>
      ) : (
        <div class="sheet">
          {/* The roles are said again: a phone shows the rows as blocks, and browsers then forget what they are. */}
          <table class="readings" role="table" aria-rowcount={rows.length + 1}>
            <thead role="rowgroup">
              <tr role="row" aria-rowindex={1}>
                {COLUMNS.slice(0, 3).map((column) => (
                  <SortHead key={column.key} column={column} />
                ))}
                <th role="columnheader" scope="col" class="c-spark">
                  Last hour
                </th>
                <SortHead column={COLUMNS[3]} />
              </tr>
            </thead>
            <Rows body={body} rows={rows} asked={asked} />
          </table>
        </div>
      )}
      {rows.length > 0 && (
        <p class="sr" role="status">
          {count(rows.length)} readings
        </p>
      )}
    </section>
  );
}

interface RowsProps {
  body: RefObject<HTMLTableSectionElement | null>;
  rows: readonly RowRef[];
  asked: string;
}

function Rows({ body, rows, asked }: RowsProps): JSX.Element {
  const height = narrow.value ? ROW_NARROW : ROW;
  const { from, to } = useWindow(body, rows.length, height);
  useAnchor(body, rows, height, asked);
  return (
    <tbody role="rowgroup" ref={body}>
      <Space height={from * height} />
      {rows.slice(from, to).map((row, index) => (
        <Row key={row.key} row={row} index={from + index} />
      ))}
      <Space height={(rows.length - to) * height} />
    </tbody>
  );
}

/** Stands for the rows that are not made. */
function Space({ height }: { height: number }): JSX.Element {
  return (
    <tr class="space" aria-hidden="true" style={{ height: `${height}px` }}>
      <td colSpan={COLUMNS.length + 1} />
    </tr>
  );
}

function SortHead({ column }: { column: (typeof COLUMNS)[number] }): JSX.Element {
  const sort = here.value.sort ?? { key: 'node', descending: false };
  const mine = sort.key === column.key;
  const next = { key: column.key, descending: mine && !sort.descending };
  return (
    <th
      role="columnheader"
      scope="col"
      class={`${column.class} c-${column.key}`}
      aria-sort={mine ? (sort.descending ? 'descending' : 'ascending') : 'none'}
    >
      <button
        type="button"
        class="sort"
        onClick={() => sortBy(next.key === 'node' && !next.descending ? null : next)}
      >
        {column.title}
        <span class="arrow" aria-hidden="true">
          {mine ? (sort.descending ? '↓' : '↑') : ''}
        </span>
      </button>
    </th>
  );
}

function Row({ row, index }: { row: RowRef; index: number }): JSX.Element | null {
  const reading = readingOf(model.value, row);
  if (reading === undefined) return <Space height={narrow.peek() ? ROW_NARROW : ROW} />;
  const node = model.value.nodes.get(row.node);
  const label = sourceLabel(reading);
  return (
    <tr
      role="row"
      aria-rowindex={index + 2}
      class={oldClass(node)}
      data-node={row.node}
      data-source={row.fullId}
    >
      <td role="cell" class="c-node">
        <NodeName name={row.node} node={node} />
      </td>
      <td role="cell" class="c-source" title={plain([row.fullId, label].filter(Boolean).join(' · '))}>
        <span class="mono">
          <Text value={row.fullId} />
        </span>
        {label && (
          <span class="muted source-label">
            <Text value={label} />
          </span>
        )}
      </td>
      <td role="cell" class="c-value right">
        <Value shown={shown(reading.value, reading.unit)} />
      </td>
      <td role="cell" class="c-spark">
        {typeof reading.value === 'number' && <Spark node={row.node} fullId={row.fullId} />}
      </td>
      <td role="cell" class="c-age right">
        {isOld(node?.status) && <span class="old-tag">old</span>}
        <Age at={toldAt(model.value, row)} />
      </td>
    </tr>
  );
}
