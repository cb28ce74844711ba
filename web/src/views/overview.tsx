// The first page: how many nodes are how, what they know together, and one card for each, broken ones first.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { JSX, RefObject } from 'preact';
import { count, plain, shown, via, webLink } from '../format';
import { nodePasses } from '../order';
import { FilterChips } from '../parts/chips';
import { Export } from '../parts/export';
import { Labels } from '../parts/labels';
import { LARGE, useLater } from '../parts/later';
import { ListHead, Nothing, listKey, useMore } from '../parts/list';
import { Reason } from '../parts/reason';
import { Spark } from '../parts/spark';
import { NodeName, State, StateIcon, oldClass } from '../parts/state';
import { useSummary } from '../parts/summary';
import { Text } from '../parts/text';
import { Age } from '../parts/time';
import { Value } from '../parts/value';
import { linkTo } from '../route';
import {
  breakdown,
  confirmedAt,
  isBroken,
  isOld,
  keyReadings,
  matcher,
  nodeTexts,
  nodesByNeed,
  sourceLabel,
  sources,
  stateCounts,
  words,
} from '../select';
import type { Sums } from '../select';
import type { Model } from '../state';
import { here, mayChange, model } from '../store';
import { STATUSES } from '../wire';
import type { ClusterNode, Reading } from '../wire';
import { Refresh } from './node';

const CARDS = 36;
/** The first ones of a large cluster; more are made as one scrolls. */
const CARDS_LARGE = 9;
const KEY_READINGS = 4;
/** What looks at all nodes is made anew no more often. */
const SUMMARY_MS = 1000;
const itself = (now: Model): Model => now;

export function Overview(): JSX.Element {
  const { node: chosen, query, filters } = here.value;
  const now = useSummary(itself, '', SUMMARY_MS);
  const order = useOrder(now);
  const all = known(now, order.length);
  const large = all > LARGE;
  const { most, more } = useMore(large ? CARDS_LARGE : CARDS, listKey());
  const below = useLater(large);
  return (
    <>
      <Summary now={now} />
      <section aria-label="Nodes">
        <ListHead title="Nodes" shown={all} placeholder="Name, label, reason…" />
        <FilterChips keys={['state', 'label']} />
        {order.length === 0 &&
          (filters.state || filters.label ? (
            <p class="nothing">No node passes these filters.</p>
          ) : (
            <Nothing>No node has been heard yet. They appear here by themselves.</Nothing>
          ))}
        <ul class="cards">
          {order.slice(0, most).map((name) => (
            <Card key={name} name={name} />
          ))}
        </ul>
        {more(order.length, 'nodes')}
      </section>
      {below && order.length > 0 && query === '' && !filters.state && !filters.label && (
        <Breakdown now={now} chosen={chosen} />
      )}
    </>
  );
}

/** While only some nodes are here, llamad says how many there are. */
function known(now: Model, listed: number): number {
  const { node, query, filters } = here.value;
  const all = node === null && query === '' && !filters.state && !filters.label;
  return now.partial && all ? (now.stats.nodes['total'] ?? listed) : listed;
}

/** Names in the order of their cards: the very same list until a node changes its state. */
function useOrder(now: Model): readonly string[] {
  const { node, query, filters } = here.value;
  const last = useRef<readonly string[]>([]);
  return useMemo(() => {
    const matches = matcher(words(query));
    const next = nodesByNeed(now, node)
      .filter((one) => nodePasses(one, filters) && (query === '' || matches(nodeTexts(one))))
      .map((one) => one.name);
    const same = next.length === last.current.length && next.every((name, at) => name === last.current[at]);
    return same ? last.current : (last.current = next);
  }, [now, node, query, filters]);
}

const TOTALS = ['readings', 'observations', 'memories', 'sources'] as const;
type Total = (typeof TOTALS)[number];
const TOTAL_NOTES: Readonly<Record<Total, string>> = {
  readings: 'stored by the nodes',
  observations: 'made by the nodes',
  memories: 'kept by the nodes',
  sources: 'with a last value',
};

/** The sums of all nodes, or of the one that is chosen. */
function total(now: Model, name: Total, chosen: string | null): number | null {
  if (chosen === null) return name === 'sources' ? sources(now) : (now.stats.totals[name] ?? null);
  return breakdown(now).find((row) => row.name === chosen)?.[name] ?? null;
}

function Summary({ now }: { now: Model }): JSX.Element {
  const { node: chosen, query, filters } = here.value;
  const status = chosen === null ? null : now.nodes.get(chosen)?.status;
  const numbers = status === null ? stateCounts(now) : status === undefined ? {} : { [status]: 1 };
  return (
    <section class="summary" aria-label="Summary">
      <ul class="tile states" aria-label="Nodes by state">
        {STATUSES.map((status) => {
          const number = numbers[status] ?? 0;
          const on = filters.state === status;
          const { state: _, ...others } = filters;
          const next = on ? others : { ...others, state: status };
          return (
            <li key={status} class={number === 0 ? 'zero' : ''}>
              <a
                href={linkTo('overview', { node: chosen, query, filters: next })}
                aria-current={on ? 'true' : undefined}
              >
                <b class="num">{count(number)}</b>
                <span class={`state s-${status}`}>
                  <StateIcon status={status} />
                  {status}
                </span>
              </a>
            </li>
          );
        })}
      </ul>
      <dl class="tile sums">
        {TOTALS.map((name) => (
          <div key={name}>
            <dt>{name[0]!.toUpperCase() + name.slice(1)}</dt>
            <dd class="num" data-total={name}>
              {count(total(now, name, chosen))}
            </dd>
            <dd class="sum-note">{TOTAL_NOTES[name]}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** True while the element is in sight or nearly so. */
function useNear(element: RefObject<Element | null>): boolean {
  const [near, setNear] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver((looks) => setNear(looks.at(-1)!.isIntersecting), { rootMargin: '400px' });
    watch.observe(element.current!);
    return () => watch.disconnect();
  }, []);
  return near;
}

/** Out of sight it stays as it was: only what is seen follows the model. */
function Card({ name }: { name: string }): JSX.Element {
  const box = useRef<HTMLLIElement>(null);
  const near = useNear(box);
  const now = near ? model.value : model.peek();
  const node = now.nodes.get(name);
  return (
    <li ref={box} class={`card s-${node?.status} ${oldClass(node)}`} data-node={name}>
      {node && <CardBody node={node} now={now} />}
    </li>
  );
}

function CardBody({ node, now }: { node: ClusterNode; now: Model }): JSX.Element {
  const broken = isBroken(node.status);
  const link = webLink(node.url);
  return (
    <>
      <header>
        <h3>
          <a href={linkTo('node', { node: node.name })}>
            <Text value={node.name} />
          </a>
        </h3>
        {node.type && (
          <span class="type">
            <Text value={node.type} />
          </span>
        )}
        <State status={node.status} />
      </header>
      {(broken || node.cause) && <Reason code={node.cause} sentence={node.reason} />}
      <KeyReadings node={node} now={now} />
      <Labels labels={node.labels} />
      <footer>
        <span>
          {node.last_seen === null ? 'never seen' : <Seen at={node.last_seen} />}
        </span>
        {node.via && <span>via {via(node.via)}</span>}
        {typeof node.latency_ms === 'number' && node.via === 'http' && (
          <span class="num">{Math.round(node.latency_ms)} ms</span>
        )}
        {node.version && (
          <span>
            v<Text value={node.version} />
          </span>
        )}
        <span class="actions">
          {link && (
            <a href={link} rel="noreferrer noopener" target="_blank" title={plain(link)}>
              dashboard<span class="sr"> of {plain(node.name)}</span> ↗
            </a>
          )}
          {node.type !== 'edge' && mayChange.value && <Refresh name={node.name} />}
        </span>
      </footer>
    </>
  );
}

function Seen({ at }: { at: string }): JSX.Element {
  return (
    <>
      seen <Age at={at} suffix=" ago" now="just now" />
    </>
  );
}

function KeyReadings({ node, now }: { node: ClusterNode; now: Model }): JSX.Element {
  const list = keyReadings(now, node.name, KEY_READINGS);
  if (list.length === 0) return <p class="muted key-none">No readings yet.</p>;
  const all = now.readings.get(node.name)?.size ?? 0;
  return (
    <>
      <dl class="key-readings">
        {list.map((reading) => (
          <KeyReading key={reading.full_id} reading={reading} />
        ))}
      </dl>
      <p class="key-age muted">
        {isOld(node.status) ? 'last values, updated ' : 'updated '}
        <Age at={confirmedAt(node)} suffix=" ago" now="just now" />
        {all > list.length && (
          <>
            {' '}
            · <a href={linkTo('node', { node: node.name })}>{count(all - list.length)} more</a>
          </>
        )}
      </p>
    </>
  );
}

function KeyReading({ reading }: { reading: Reading }): JSX.Element {
  const own = reading.full_id.replace(/^[^:]*:/, '');
  // A bare pin number says nothing without its `gpio:`.
  const short = sourceLabel(reading) || (/[^\d]/.test(own) ? own : reading.full_id);
  return (
    <div>
      <dt title={plain(reading.full_id)}>
        <Text value={short.replace(/_/g, ' ')} />
      </dt>
      {typeof reading.value === 'number' && (
        <dd class="line">
          <Spark node={reading.node} fullId={reading.full_id} />
        </dd>
      )}
      <dd>
        <Value shown={shown(reading.value, reading.unit)} />
      </dd>
    </div>
  );
}

const ROWS = 50;

function Breakdown({ now, chosen }: { now: Model; chosen: string | null }): JSX.Element {
  const rows = breakdown(now).filter((row) => chosen === null || row.name === chosen);
  const { most, more } = useMore(ROWS, listKey());
  const largest = (name: Total): number => Math.max(1, ...rows.map((row) => row[name] ?? 0));
  const scale: Record<Total, number> = {
    readings: largest('readings'),
    observations: largest('observations'),
    memories: largest('memories'),
    sources: largest('sources'),
  };
  return (
    <section aria-labelledby="breakdown-title">
      <div class="list-head">
        <h2 id="breakdown-title">By node</h2>
        <Export name="nodes" rows={() => rows.map(({ name, ...sums }) => ({ node: name, ...sums }))} />
      </div>
      <div class="sheet">
        <table class="breakdown" role="table">
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">
                Node
              </th>
              {TOTALS.map((name) => (
                <th key={name} role="columnheader" scope="col" class="right">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {rows.slice(0, most).map((row) => (
              <BreakdownRow key={row.name} row={row} scale={scale} node={now.nodes.get(row.name)} />
            ))}
          </tbody>
        </table>
      </div>
      {more(rows.length, 'nodes')}
    </section>
  );
}

interface BreakdownRowProps {
  row: Sums;
  scale: Record<Total, number>;
  node: ClusterNode | undefined;
}

function BreakdownRow({ row, scale, node }: BreakdownRowProps): JSX.Element {
  return (
    <tr role="row" class={isOld(row.status) ? 'old' : ''} data-node={row.name}>
      <th role="rowheader" scope="row">
        <NodeName name={row.name} node={node} />
      </th>
      {TOTALS.map((name) => (
        <td key={name} role="cell" class="right num">
          <span class="label muted" aria-hidden="true">
            {name}
          </span>
          {row[name] === null ? (
            <span class="muted" title="never said">
              –
            </span>
          ) : (
            count(row[name])
          )}
          <span class="bar" aria-hidden="true">
            <span style={{ width: `${(100 * (row[name] ?? 0)) / scale[name]}%` }} />
          </span>
        </td>
      ))}
    </tr>
  );
}
