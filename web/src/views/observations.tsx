// What the nodes' models noticed, all together, newest first, each with the node that made it.
import type { JSX } from 'preact';
import { asText, confidence, count, related } from '../format';
import { ListHead, Nothing, listKey, useMore } from '../parts/list';
import { NodeName } from '../parts/state';
import { LongText, Text } from '../parts/text';
import { Age, Moment } from '../parts/time';
import * as route from '../route';
import { byOurClock, observationRows } from '../select';
import type { ItemRow } from '../select';
import { here, model } from '../store';
import type { Observation } from '../wire';

const ROWS = 50;

export function Observations(): JSX.Element {
  const { node, query } = here.value;
  const rows = observationRows(model.value, { node, query });
  const { most, more } = useMore(ROWS, listKey());
  return (
    <section aria-label="Observations">
      <ListHead
        title="Observations"
        shown={rows.length}
        total={of('observations', rows.length)}
        placeholder="Text, type, source…"
      />
      {rows.length === 0 && <Nothing>No node has made an observation yet.</Nothing>}
      {rows.length > 0 && (
        <ol class="sheet items">
          {rows.slice(0, most).map((row) => (
            <Item key={row.key} row={row} />
          ))}
        </ol>
      )}
      {more(rows.length, 'observations')}
    </section>
  );
}

/** The nodes keep more than the page holds: says so. */
export function of(kind: 'observations' | 'memories', loaded: number): string {
  const chosen = here.value.node;
  const all =
    chosen === null ? model.value.stats.totals[kind] : model.value.nodes.get(chosen)?.counts?.[kind];
  return typeof all === 'number' && all > loaded
    ? `of ${count(all)} on ${chosen === null ? 'all nodes' : 'this node'}`
    : '';
}

function Item({ row }: { row: ItemRow<Observation> }): JSX.Element {
  const { item, node } = row;
  const at = byOurClock(item.at, node);
  const sources = related(item.related_sources);
  return (
    <li class="item" data-node={item.node}>
      <div class="item-meta">
        <NodeName name={item.node} node={node} />
        <span class="muted">
          <Moment at={at} /> · <Age at={at} suffix=" ago" />
        </span>
      </div>
      <div class="item-body">
        <div class="item-tags">
          <Type value={item.type} />
          <Confidence value={item.confidence} />
        </div>
        <LongText value={item.text} />
        {sources.length > 0 && (
          <ul class="chips" aria-label="Related sources">
            {sources.map((source, index) => (
              <li key={index}>
                <a
                  class="chip mono"
                  href={route.format({ ...route.HOME, view: 'readings', node: item.node, query: source })}
                >
                  <Text value={source} />
                </a>
              </li>
            ))}
          </ul>
        )}
      </div>
    </li>
  );
}

const TYPES: readonly string[] = ['anomaly', 'pattern', 'status', 'summary', 'trend', 'general'];

function Type({ value }: { value: unknown }): JSX.Element | null {
  const text = asText(value);
  if (text === '') return null;
  return (
    <span class={`badge t-${TYPES.includes(text) ? text : 'other'}`}>
      <Text value={text} />
    </span>
  );
}

export function Confidence({ value }: { value: unknown }): JSX.Element | null {
  const text = confidence(value);
  if (text === '') return null;
  const share = typeof value === 'number' && value >= 0 && value <= 1 ? value : null;
  return (
    <span class="confidence muted">
      <span class="sr">confidence </span>
      {share !== null && (
        <span class="bar" aria-hidden="true">
          <span style={{ width: `${share * 100}%` }} />
        </span>
      )}
      <span class="num" title="confidence">
        <Text value={text} />
      </span>
    </span>
  );
}
