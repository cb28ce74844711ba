// One source across all nodes, side by side; before one is chosen, all there are.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ComponentChild, JSX } from 'preact';
import { compare, groups, sortCompared, sortGroups, summary } from '../compare';
import type { Compared, Comparison, Group, Summary } from '../compare';
import { count, parseTime, plain, shown } from '../format';
import { Chart } from '../parts/chart';
import { Spark } from '../parts/spark';
import { NodeName, oldClass } from '../parts/state';
import { useHeld, useSummary } from '../parts/summary';
import { TablePage } from '../parts/table-page';
import type { Column } from '../parts/table';
import { Text } from '../parts/text';
import { Age } from '../parts/time';
import { Value } from '../parts/value';
import { linkTo } from '../route';
import { confirmedAt, matcher, sourceLabel, words } from '../select';
import { stepPoints } from '../series';
import type { Series } from '../series';
import { here, seriesRevision, seriesStore } from '../store';

const MADE_MS = 1000;
/** As many as one chart can be read with, and llamad tells of in one answer. */
const LINES = 64;

export function Compare(): JSX.Element {
  const { source } = here.value.filters;
  return source ? <Source key={source} fullId={source} /> : <Sources />;
}

// ---- all sources ------------------------------------------------------------------------------------------

const SOURCES: readonly Column[] = [
  { key: 'source', title: 'Source' },
  { key: 'nodes', title: 'Nodes', right: true },
  { key: 'strip', title: 'From lowest to highest', fixed: true },
  { key: 'min', title: 'Min', right: true },
  { key: 'mean', title: 'Mean', right: true },
  { key: 'max', title: 'Max', right: true },
];

function Sources(): JSX.Element {
  const { node, query, sort, filters } = here.value;
  const body = useRef<HTMLTableSectionElement>(null);
  const question = JSON.stringify([node, query, sort, filters]);
  const list = useSummary((model) => sortGroups(groups(model, node, query, filters), sort), question, MADE_MS);
  const rows = useHeld(body, list, question);
  return (
    <TablePage
      name="compare"
      title="Compare"
      what="sources"
      class="sources"
      columns={SOURCES}
      placeholder="Source, unit…"
      body={body}
      rows={rows}
      question={question}
      row={(group, index) => <SourceRow key={group.key} group={group} index={index} />}
      exported={exportedGroup}
    />
  );
}

function exportedGroup(group: Group): Record<string, unknown> {
  const { min, median, mean, max } = summary(group.numbers) ?? {};
  const { fullId: source, unit, nodes, old } = group;
  return { source, unit, nodes, old, min, median, mean, max, others: Object.fromEntries(group.words) };
}

function SourceRow({ group, index }: { group: Group; index: number }): JSX.Element {
  const { node, filters } = here.value;
  const { label, state } = filters;
  const all = useMemo(() => summary(group.numbers), [group]);
  const chosen = { label: label ?? '', state: state ?? '', source: group.fullId, unit: group.unit || '-' };
  const told = [...group.words].sort((a, b) => b[1] - a[1]).map(([word, nodes]) => `${plain(word)}: ${nodes}`);
  const cell = (key: 'min' | 'mean' | 'max'): JSX.Element => (
    <td role="cell" class={`c-${key} right`}>
      {all && <Value shown={shown(all[key], group.unit)} />}
    </td>
  );
  return (
    <tr role="row" aria-rowindex={index + 2} data-source={group.fullId}>
      <td role="cell" class="c-source" title={plain(group.fullId)}>
        <a class="mono" href={linkTo('compare', { node, filters: chosen })}>
          <Text value={group.fullId} />
        </a>
        {group.unit !== '' && group.unit !== 'boolean' && (
          <span class="muted source-label">
            <Text value={group.unit} />
          </span>
        )}
      </td>
      <td role="cell" class="c-nodes right num">
        {count(group.nodes)}
        {group.old > 0 && <span class="muted"> ({count(group.old)} old)</span>}
      </td>
      <td role="cell" class="c-strip" title={told.join(', ')}>
        {all ? <Strip path={ticks(group.numbers, all)} /> : <span class="muted">{told.slice(0, 4).join(', ')}</span>}
      </td>
      {cell('min')}
      {cell('mean')}
      {cell('max')}
    </tr>
  );
}

/** On a scale from the lowest to the highest; only a picture of what is beside it. */
function Strip({ path, odd = false }: { path: string; odd?: boolean }): JSX.Element {
  return (
    <svg class={odd ? 'strip odd' : 'strip'} viewBox={`-1 0 ${WIDTH + 2} 18`} aria-hidden="true" preserveAspectRatio="none">
      <path d={path} vector-effect="non-scaling-stroke" />
    </svg>
  );
}

/** A tick for each value; those that stand together share one. */
function ticks(numbers: readonly number[], all: Summary): string {
  const taken = new Uint8Array(WIDTH + 1);
  for (const number of numbers) taken[place(number, all)] = 1;
  return Array.from(taken, (one, at) => (one === 1 ? `M${at} 3v12` : '')).join('');
}

/** From the median to the value. */
function bar(number: number, all: Summary): string {
  const from = place(all.median, all);
  const to = place(number, all);
  return `M${from} 0v18M${from} 9H${to}M${to} 4v10`;
}

const WIDTH = 80;

/** Old values may lie outside, and are shown at the edge. */
function place(number: number, { min, max }: Summary): number {
  return Math.round(WIDTH * (max === min ? 0.5 : Math.min(1, Math.max(0, (number - min) / (max - min)))));
}

// ---- one source -------------------------------------------------------------------------------------------

const NODES: readonly Column[] = [
  { key: 'node', title: 'Node' },
  { key: 'value', title: 'Value', right: true },
  { key: 'strip', title: 'From the median', fixed: true },
  { key: 'spark', title: 'Last hour', fixed: true },
  { key: 'age', title: 'Age', right: true },
];

function Source({ fullId }: { fullId: string }): JSX.Element {
  const { node, query, sort, filters } = here.value;
  const body = useRef<HTMLTableSectionElement>(null);
  const question = JSON.stringify([node, query, sort, filters]);
  const all = useSummary(
    (model) => {
      const made = compare(model, fullId, filters.unit, filters);
      const matches = matcher(words(query));
      const found = made.rows.filter((row) => matches([row.key, sourceLabel(row.reading), shownOf(row).text]));
      return { ...made, found: sortCompared(found, sort, node) };
    },
    question,
    MADE_MS,
  );
  const rows = useHeld(body, all.found, question);
  return (
    <TablePage
      name="compare"
      title={plain(fullId)}
      what="nodes"
      class="compared"
      columns={NODES}
      placeholder="Node, value…"
      total={all.rows.length}
      body={body}
      rows={rows}
      question={question}
      row={(row, index) => <NodeRow key={row.key} row={row} index={index} all={all.summary} />}
      exported={exportedRow}
    >
      {all.rows.length > 0 && <Sum all={all} fullId={fullId} />}
    </TablePage>
  );
}

function shownOf({ reading }: Compared): ReturnType<typeof shown> {
  return shown(reading.value, reading.unit);
}

function exportedRow({ key, node, reading, stand: stands, old }: Compared): Record<string, unknown> {
  const { full_id: source, value, unit } = reading;
  const at = confirmedAt(node) ?? reading.at;
  return { node: key, state: node?.status ?? 'unknown', source, value, unit, at, old, stands_out: stands || null };
}

/** What all nodes together say, and their last hour. */
function Sum({ all, fullId }: { all: Comparison; fullId: string }): JSX.Element {
  const { node, filters } = here.value;
  const sum = all.summary;
  const odd = all.rows.filter((row) => row.stand !== '');
  const facts: [name: string, told: ComponentChild][] = all.words
    .slice(0, 12)
    .map(([word, nodes]) => [plain(word), `${count(nodes)} ${nodes === 1 ? 'node' : 'nodes'}`]);
  if (sum !== null)
    facts.unshift(
      ...(['min', 'median', 'mean', 'max', 'range'] as const).map((name): [string, ComponentChild] => [
        name,
        <Value shown={shown(sum[name], all.unit)} />,
      ]),
    );
  if (all.old > 0) facts.push(['old, not counted', count(all.old)]);
  return (
    <div class="sheet sum">
      {all.units.length > 1 && (
        <p class="chips">
          {all.units.map(({ unit, nodes }) => (
            <a
              key={unit}
              class="chip"
              href={linkTo('compare', { node, filters: { ...filters, unit: unit || '-' } })}
              aria-current={unit === all.unit ? 'true' : undefined}
            >
              in <Text value={unit || 'no unit'} />: {count(nodes)}
            </a>
          ))}
        </p>
      )}
      <dl>
        {facts.map(([name, told]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{told}</dd>
          </div>
        ))}
      </dl>
      {odd.length > 0 && (
        <p>
          {count(odd.length)} {odd.length === 1 ? 'stands' : 'stand'} out:{' '}
          {odd.slice(0, 8).map((row) => (
            <span key={row.key} class="odd">
              <NodeLink row={row} /> <Stands row={row} />{' '}
            </span>
          ))}
          {odd.length > 8 && '…'}
        </p>
      )}
      {sum !== null && <History rows={all.rows} fullId={fullId} unit={all.unit} />}
    </div>
  );
}

function Stands({ row }: { row: Compared }): JSX.Element | null {
  if (row.stand === '') return null;
  return (
    <span class="badge t-anomaly">
      {row.stand === 'high' ? '▲' : '▼'} {row.stand}
    </span>
  );
}

/** Those that stand out, the chosen one, then the first: more lines than a chart can be read with are left out. */
function chosenLines(rows: readonly Compared[], node: string | null): readonly Compared[] {
  const numbers = rows.filter((row) => row.number !== null);
  if (numbers.length <= LINES) return numbers;
  const first = (row: Compared): boolean => row.stand !== '' || row.key === node;
  const taken = new Set([...numbers.filter(first), ...numbers.filter((row) => !first(row))].slice(0, LINES));
  return numbers.filter((row) => taken.has(row));
}

function History({ rows, fullId, unit }: { rows: readonly Compared[]; fullId: string; unit: string }): JSX.Element {
  const lines = chosenLines(rows, here.value.node);
  const names = JSON.stringify(lines.map((row) => row.key));
  const [series, setSeries] = useState(new Map<string, Series>());
  useEffect(() => {
    const mine = JSON.parse(names) as string[];
    setSeries(new Map(mine.map((name) => [name, seriesStore.show(name, fullId)])));
    return () => mine.forEach((name) => seriesStore.hide(name, fullId));
  }, [names, fullId]);
  void seriesRevision.value;
  const all = rows.filter((row) => row.number !== null).length;
  return (
    <>
      <Chart
        label={`${plain(fullId)} of ${lines.length} nodes, the last hour`}
        unit={unit}
        series={lines.map((row) => ({
          label: row.key,
          old: row.old,
          marked: row.stand !== '',
          points: stepPoints(series.get(row.key)?.steps ?? [], parseTime(confirmedAt(row.node)) ?? 0),
        }))}
      />
      {lines.length < all && (
        <p class="muted">
          {lines.length} of {count(all)} nodes shown in the chart.
        </p>
      )}
    </>
  );
}

function NodeLink({ row }: { row: Compared }): JSX.Element {
  const href = linkTo('node', { node: row.key, filters: { source: row.reading.full_id } });
  return <NodeName name={row.key} node={row.node} href={href} />;
}

function NodeRow({ row, index, all }: { row: Compared; index: number; all: Summary | null }): JSX.Element {
  const { reading, number } = row;
  const label = sourceLabel(reading);
  return (
    <tr
      role="row"
      aria-rowindex={index + 2}
      class={`${oldClass(row.node)} ${row.key === here.value.node ? 'chosen' : ''}`}
      data-node={row.key}
    >
      <td role="cell" class="c-node">
        <NodeLink row={row} />
        {label && (
          <span class="muted source-label">
            <Text value={label} />
          </span>
        )}
      </td>
      <td role="cell" class="c-value right">
        <Stands row={row} /> <Value shown={shownOf(row)} />
      </td>
      <td role="cell" class="c-strip">
        {number !== null && all !== null && <Strip path={bar(number, all)} odd={row.stand !== ''} />}
      </td>
      <td role="cell" class="c-spark">
        {number !== null && <Spark node={row.key} fullId={reading.full_id} />}
      </td>
      <td role="cell" class="c-age right">
        {row.old && <span class="old-tag">old</span>}
        <Age at={confirmedAt(row.node) ?? reading.at} />
      </td>
    </tr>
  );
}
