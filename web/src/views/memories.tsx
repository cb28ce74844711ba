// What the nodes remember, most confirmed first.
import type { JSX } from 'preact';
import { asText, count } from '../format';
import { ListHead, Nothing, listKey, useMore } from '../parts/list';
import { NodeName } from '../parts/state';
import { LongText, Text } from '../parts/text';
import { Age, Moment } from '../parts/time';
import { byOurClock, memoryRows } from '../select';
import type { ItemRow } from '../select';
import { here, model } from '../store';
import type { Memory } from '../wire';
import { Confidence, of } from './observations';

const ROWS = 50;

export function Memories(): JSX.Element {
  const { node, query } = here.value;
  const rows = memoryRows(model.value, { node, query });
  const { most, more } = useMore(ROWS, listKey());
  return (
    <section aria-label="Memories">
      <ListHead
        title="Memories"
        shown={rows.length}
        total={of('memories', rows.length)}
        placeholder="Text…"
      />
      {rows.length === 0 && <Nothing>No node has a memory yet.</Nothing>}
      {rows.length > 0 && (
        <ol class="sheet items">
          {rows.slice(0, most).map((row) => (
            <Item key={row.key} row={row} />
          ))}
        </ol>
      )}
      {more(rows.length, 'memories')}
    </section>
  );
}

function Item({ row }: { row: ItemRow<Memory> }): JSX.Element {
  const { item, node } = row;
  const at = byOurClock(item.at, node);
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
          <Confirmed times={item.times_confirmed} />
          <Confidence value={item.confidence} />
        </div>
        <LongText value={item.text} />
      </div>
    </li>
  );
}

function Confirmed({ times }: { times: unknown }): JSX.Element | null {
  if (typeof times === 'number') return <span class="badge t-general num">confirmed {count(times)}×</span>;
  return asText(times) === '' ? null : (
    <span class="badge t-other">
      confirmed <Text value={times} />
    </span>
  );
}
