// Every last value of every node in one table.
import { useComputed } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { JSX } from 'preact';
import { asText, plain, shown } from '../format';
import type { ExportRow } from '../export';
import { useOrder } from '../parts/order';
import { Spark } from '../parts/spark';
import { NodeName, oldClass } from '../parts/state';
import { TablePage } from '../parts/table-page';
import type { Column } from '../parts/table';
import { Text } from '../parts/text';
import { Age } from '../parts/time';
import { Value } from '../parts/value';
import { readingOf, toldAt } from '../order';
import type { RowRef } from '../order';
import { linkTo } from '../route';
import { isOld, sourceLabel } from '../select';
import { here, model } from '../store';

const COLUMNS: readonly Column[] = [
  { key: 'node', title: 'Node' },
  { key: 'source', title: 'Source' },
  { key: 'value', title: 'Value', right: true },
  { key: 'spark', title: 'Last hour', fixed: true },
  { key: 'age', title: 'Age', right: true },
];

export function Readings(): JSX.Element {
  const { node, query, sort, filters } = here.value;
  const body = useRef<HTMLTableSectionElement>(null);
  const { rows, total, asked } = useOrder(body, { node, query, sort, filters });
  return (
    <TablePage
      name="readings"
      title="Readings"
      what="readings"
      class="readings"
      columns={COLUMNS}
      placeholder="Node, source, value…"
      total={total}
      body={body}
      rows={rows}
      question={asked}
      row={(row, index) => <Row key={row.key} row={row} index={index} />}
      exported={exported}
    />
  );
}

function exported(row: RowRef): ExportRow {
  const now = model.peek();
  const { value = null, unit = null } = readingOf(now, row) ?? {};
  return {
    node: row.node,
    state: now.nodes.get(row.node)?.status ?? 'unknown',
    source: row.fullId,
    value,
    unit,
    at: toldAt(now, row),
  };
}

/** Rendered when its own reading or node moves, not with every paint. */
function Row({ row, index }: { row: RowRef; index: number }): JSX.Element | null {
  const reading = useComputed(() => readingOf(model.value, row)).value;
  const node = useComputed(() => model.value.nodes.get(row.node)).value;
  const flash = useFlash(reading?.value);
  const label = reading ? sourceLabel(reading) : '';
  const address = linkTo('node', { node: row.node, filters: { source: row.fullId } });
  return (
    <tr
      role="row"
      aria-rowindex={index + 2}
      class={oldClass(node)}
      data-node={row.node}
      data-source={row.fullId}
    >
      <td role="cell" class="c-node">
        {NodeName({ name: row.node, node })}
      </td>
      <td role="cell" class="c-source" title={plain([row.fullId, label].filter(Boolean).join(' · '))}>
        <a class="mono" href={address}>
          {Text({ value: row.fullId })}
        </a>
        {label && (
          <span class="muted source-label">
            <Text value={label} />
          </span>
        )}
      </td>
      <td role="cell" class="c-value right">
        {/* The keyboard is there already with the source's link. */}
        {reading && (
          <a class={flash} href={address} tabIndex={-1}>
            {Value({ shown: shown(reading.value, reading.unit) })}
          </a>
        )}
      </td>
      <td role="cell" class="c-spark">
        {typeof reading?.value === 'number' && <Spark node={row.node} fullId={row.fullId} />}
      </td>
      <td role="cell" class="c-age right">
        {isOld(node?.status) && <span class="old-tag">old</span>}
        <Age at={toldAt(model.peek(), row)} />
      </td>
    </tr>
  );
}

/** Another class at each change of the value: two animations that look the same, so that each begins anew. */
function useFlash(value: unknown): string {
  const last = useRef({ value, changes: 0 });
  if (last.current.value !== value && asText(last.current.value) !== asText(value))
    last.current.changes++;
  last.current.value = value;
  const { changes } = last.current;
  return changes === 0 ? '' : changes % 2 === 0 ? 'flash-a' : 'flash-b';
}
