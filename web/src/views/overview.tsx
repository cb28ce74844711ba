// The first page: how many nodes are how, what they know together, and one card for each, broken ones first.
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { asText, count, plain, shown, via, webLink } from '../format';
import { Nothing, listKey, useMore } from '../parts/list';
import { Reason } from '../parts/reason';
import { NodeName, State, StateIcon, oldClass } from '../parts/state';
import { Text } from '../parts/text';
import { Age } from '../parts/time';
import { Value } from '../parts/value';
import { refreshNode } from '../ports';
import {
  breakdown,
  confirmedAt,
  isBroken,
  isOld,
  keyReadings,
  nodesByNeed,
  sourceLabel,
  sources,
} from '../select';
import type { Sums } from '../select';
import { addressOf, here, model } from '../store';
import { STATUSES } from '../wire';
import type { ClusterNode, Reading } from '../wire';

const CARDS = 60;
const KEY_READINGS = 4;

export function Overview(): JSX.Element {
  const chosen = here.value.node;
  const nodes = nodesByNeed(model.value, chosen);
  const { most, more } = useMore(CARDS, listKey());
  return (
    <>
      <Summary />
      <section aria-labelledby="nodes-title">
        <div class="list-head">
          <h2 id="nodes-title">
            Nodes <span class="count num">{count(nodes.length)}</span>
          </h2>
        </div>
        {nodes.length === 0 && <Nothing>No node has been heard yet. They appear here by themselves.</Nothing>}
        <ul class="cards">
          {nodes.slice(0, most).map((node) => (
            <Card key={node.name} node={node} />
          ))}
        </ul>
        {more(nodes.length, 'nodes')}
      </section>
      {nodes.length > 0 && <Breakdown />}
    </>
  );
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
function total(name: Total, chosen: string | null): number | null {
  if (chosen === null)
    return name === 'sources' ? sources(model.value) : (model.value.stats.totals[name] ?? null);
  return breakdown(model.value).find((row) => row.name === chosen)?.[name] ?? null;
}

function Summary(): JSX.Element {
  const chosen = here.value.node;
  const states = STATUSES.map((status) => {
    const all = [...model.value.nodes.values()].filter((node) => node.status === status);
    return { status, number: all.filter((node) => chosen === null || node.name === chosen).length };
  });
  return (
    <section class="summary" aria-label="Summary">
      <ul class="tile states" aria-label="Nodes by state">
        {states.map(({ status, number }) => (
          <li key={status} class={number === 0 ? 'zero' : ''}>
            <b class="num">{count(number)}</b>
            <span class={`state s-${status}`}>
              <StateIcon status={status} />
              {status}
            </span>
          </li>
        ))}
      </ul>
      <dl class="tile sums">
        {TOTALS.map((name) => (
          <div key={name}>
            <dt>{name[0]!.toUpperCase() + name.slice(1)}</dt>
            <dd class="num" data-total={name}>
              {count(total(name, chosen))}
            </dd>
            <dd class="note">{TOTAL_NOTES[name]}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Card({ node }: { node: ClusterNode }): JSX.Element {
  const broken = isBroken(node.status);
  const link = webLink(node.url);
  return (
    <li class={`card s-${node.status} ${oldClass(node)}`} data-node={node.name}>
      <header>
        <h3>
          <a href={addressOf('readings', node.name)} title="Its readings">
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
      <KeyReadings node={node} />
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
          {node.type !== 'edge' && <Refresh name={node.name} />}
        </span>
      </footer>
    </li>
  );
}

function Seen({ at }: { at: string }): JSX.Element {
  return (
    <>
      seen <Age at={at} suffix=" ago" now="just now" />
    </>
  );
}

function KeyReadings({ node }: { node: ClusterNode }): JSX.Element {
  const list = keyReadings(model.value, node.name, KEY_READINGS);
  if (list.length === 0) return <p class="muted key-none">No readings yet.</p>;
  const all = model.value.readings.get(node.name)?.size ?? 0;
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
            · <a href={addressOf('readings', node.name)}>{count(all - list.length)} more</a>
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
      <dd>
        <Value shown={shown(reading.value, reading.unit)} />
      </dd>
    </div>
  );
}

function Labels({ labels }: { labels: ClusterNode['labels'] }): JSX.Element | null {
  const list = Object.entries(labels ?? {});
  if (list.length === 0) return null;
  return (
    <ul class="chips" aria-label="Labels">
      {list.map(([key, value]) => (
        <li key={key} class="chip">
          <Text value={`${key}: ${asText(value)}`} />
        </li>
      ))}
    </ul>
  );
}

function Refresh({ name }: { name: string }): JSX.Element {
  const [state, setState] = useState<'idle' | 'asking' | 'asked' | 'failed'>('idle');
  const ask = async (): Promise<void> => {
    setState('asking');
    setState((await refreshNode(name)) ? 'asked' : 'failed');
    setTimeout(() => setState('idle'), 3000);
  };
  return (
    <button type="button" class="link" disabled={state === 'asking'} onClick={() => void ask()}>
      {state === 'asked' ? 'asked' : state === 'failed' ? 'not taken' : 'refresh'}
      <span class="sr"> {plain(name)}</span>
    </button>
  );
}

const ROWS = 50;

function Breakdown(): JSX.Element {
  const chosen = here.value.node;
  const rows = breakdown(model.value).filter((row) => chosen === null || row.name === chosen);
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
              <BreakdownRow key={row.name} row={row} scale={scale} />
            ))}
          </tbody>
        </table>
      </div>
      {more(rows.length, 'nodes')}
    </section>
  );
}

function BreakdownRow({ row, scale }: { row: Sums; scale: Record<Total, number> }): JSX.Element {
  return (
    <tr role="row" class={isOld(row.status) ? 'old' : ''} data-node={row.name}>
      <th role="rowheader" scope="row">
        <NodeName name={row.name} node={model.value.nodes.get(row.name)} />
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
