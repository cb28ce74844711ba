// What happened to the nodes, newest first.
import type { JSX } from 'preact';
import { idKey } from '../json';
import { ListHead, Nothing, listKey, useMore } from '../parts/list';
import { Reason } from '../parts/reason';
import { NodeName, State } from '../parts/state';
import { Age, Moment } from '../parts/time';
import { eventRows } from '../select';
import { here, model } from '../store';
import type { ClusterEvent } from '../wire';

const ROWS = 100;

export function Events(): JSX.Element {
  const { node, query } = here.value;
  const rows = eventRows(model.value, { node, query });
  const { most, more } = useMore(ROWS, listKey());
  return (
    <section aria-label="Events">
      <ListHead title="Events" shown={rows.length} placeholder="Node, state, reason…" />
      {rows.length === 0 && <Nothing>Nothing has happened yet: no node has changed its state.</Nothing>}
      {rows.length > 0 && (
        <ol class="sheet items">
          {rows.slice(0, most).map((event) => (
            <Item key={idKey(event.id)} event={event} />
          ))}
        </ol>
      )}
      {more(rows.length, 'events')}
    </section>
  );
}

function Item({ event }: { event: ClusterEvent }): JSX.Element {
  return (
    <li class="item event" data-node={event.node ?? ''}>
      <div class="item-meta">
        {event.node === null ? (
          <span class="node-name">the cluster</span>
        ) : (
          <NodeName name={event.node} node={model.value.nodes.get(event.node)} />
        )}
        <span class="muted">
          <Moment at={event.at} /> · <Age at={event.at} suffix=" ago" />
        </span>
      </div>
      <div class="item-body">
        <p class="change">
          <State status={event.from} />
          <span aria-hidden="true">→</span>
          <span class="sr"> became </span>
          <State status={event.to} />
        </p>
        <Reason code={event.cause} sentence={event.reason} />
      </div>
    </li>
  );
}
