// Every last value of every node in one table.
import type { JSX } from 'preact';
import { count } from '../format';
import { ListHead, Nothing, listKey, useMore } from '../parts/list';
import { NodeName, oldClass } from '../parts/state';
import { Text } from '../parts/text';
import { Age } from '../parts/time';
import { Value } from '../parts/value';
import { isOld, readingRows, sourceLabel } from '../select';
import type { ReadingRow } from '../select';
import { here, model, sortBy } from '../store';

const ROWS = 200;

const COLUMNS = [
  { key: 'node', title: 'Node', class: '' },
  { key: 'source', title: 'Source', class: '' },
  { key: 'value', title: 'Value', class: 'right' },
  { key: 'age', title: 'Age', class: 'right' },
] as const;

export function Readings(): JSX.Element {
  const { node, query, sort } = here.value;
  const rows = readingRows(model.value, { node, query }, sort);
  const { most, more } = useMore(ROWS, listKey());
  return (
    <section aria-label="Readings">
      <ListHead title="Readings" shown={rows.length} placeholder="Node, source, value…" />
      {rows.length === 0 ? (
        <Nothing>No node has sent a reading yet.</Nothing>
      ) : (
        // The roles are said again, as a phone shows the rows as blocks, and browsers then forget what they
        // are.
        <div class="sheet">
          <table class="readings" role="table">
            <thead role="rowgroup">
              <tr role="row">
                {COLUMNS.map((column) => (
                  <SortHead key={column.key} column={column} />
                ))}
              </tr>
            </thead>
            <tbody role="rowgroup">
              {rows.slice(0, most).map((row) => (
                <Row key={row.key} row={row} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {more(rows.length, 'readings')}
      {rows.length > 0 && (
        <p class="sr" role="status">
          {count(rows.length)} readings
        </p>
      )}
    </section>
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

function Row({ row }: { row: ReadingRow }): JSX.Element {
  const { reading, node } = row;
  const label = sourceLabel(reading);
  return (
    <tr role="row" class={oldClass(node)} data-node={reading.node} data-source={reading.full_id}>
      <td role="cell" class="c-node">
        <NodeName name={reading.node} node={node} />
      </td>
      <td role="cell" class="c-source">
        <span class="mono">
          <Text value={reading.full_id} />
        </span>
        {label && (
          <span class="muted source-label">
            <Text value={label} />
          </span>
        )}
      </td>
      <td role="cell" class="c-value right">
        <Value shown={row.shown} />
      </td>
      <td role="cell" class="c-age right">
        {isOld(node?.status) && <span class="old-tag">old</span>}
        <Age at={row.at} />
      </td>
    </tr>
  );
}
