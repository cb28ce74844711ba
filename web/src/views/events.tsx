// What happened to the nodes, newest first, by day.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { asText, clock, exactTime, parseTime } from '../format';
import { StateSelect } from '../parts/chips';
import { Export } from '../parts/export';
import { ListHead, Nothing, listKey, useMore } from '../parts/list';
import { Reason } from '../parts/reason';
import { NodeName, State } from '../parts/state';
import { Age } from '../parts/time';
import { linkTo } from '../route';
import { byDay, eventRows } from '../select';
import { dispatch, here, model, ports, today } from '../store';
import type { ClusterEvent } from '../wire';

const ROWS = 100;
/** So many come by themselves, and so many llamad keeps. */
const SENT = 50;
const KEPT = 1000;
const COPIED_MS = 3000;

/** True if they came. */
export async function loadEvents(limit: number, node?: string): Promise<boolean> {
  const only = node === undefined ? '' : `&node=${encodeURIComponent(node)}`;
  try {
    const answer = await ports.get(`events?limit=${limit}${only}`, new AbortController().signal);
    dispatch({ type: 'events', events: (answer as { events: ClusterEvent[] }).events });
    return true;
  } catch {
    return false;
  }
}

/** Older events, once they are wanted; again after each snapshot, which brings only the newest. */
function useOlder(missing: boolean): { state: 'none' | 'asking' | 'all' | 'failed'; ask: () => void } {
  const [state, setState] = useState<'none' | 'asking' | 'all' | 'failed'>('none');
  const [wanted, want] = useState(0);
  const { snapshots, loaded } = model.value;
  const needed = loaded && (missing || wanted > 0);
  useEffect(() => {
    if (!needed) return;
    setState('asking');
    void loadEvents(KEPT).then((came) => setState(came ? 'all' : 'failed'));
  }, [needed, wanted, snapshots]);
  return { state, ask: () => want(wanted + 1) };
}

export function Events(): JSX.Element {
  const { node, query, filters } = here.value;
  const { events } = model.value;
  const rows = useMemo(
    () => eventRows(model.peek(), { node, query }).filter(({ to }) => !filters.state || to === filters.state),
    [events, node, query, filters.state],
  );
  const { most, more } = useMore(ROWS, listKey());
  const linked = filters.event;
  const index = linked ? rows.findIndex((event) => asText(event.id) === linked) : -1;
  const older = useOlder(!!linked && index < 0);
  const days = byDay(rows.slice(0, Math.max(most, index + 1)));
  return (
    <section aria-label="Events">
      <ListHead
        title="Events"
        shown={rows.length}
        placeholder="Node, state, reason…"
        end={rows.length > 0 && <Export name="events" rows={() => rows.map((event) => ({ ...event }))} />}
      >
        <StateSelect />
      </ListHead>
      {linked && index < 0 && older.state !== 'asking' && (
        <p class="narrowed" role="status">
          The linked event is not here (any more).
        </p>
      )}
      {rows.length === 0 && <Nothing>Nothing has happened here: no node has changed its state.</Nothing>}
      {days.map(([day, list]) => (
        <section key={day} class="day">
          <h3>{day === today.value ? 'Today' : day}</h3>
          <ol class="sheet items">
            {list.map((event) => (
              <Item key={asText(event.id)} event={event} linked={asText(event.id) === linked} />
            ))}
          </ol>
        </section>
      ))}
      {more(rows.length, 'events') ??
        (events.length >= SENT && older.state !== 'all' && (
          <p class="more">
            <button type="button" class="button" disabled={older.state === 'asking'} onClick={older.ask}>
              Load older events
            </button>
            {older.state === 'failed' && <span role="alert">They did not come.</span>}
          </p>
        ))}
    </section>
  );
}

function Item({ event, linked }: { event: ClusterEvent; linked: boolean }): JSX.Element {
  const item = useRef<HTMLLIElement>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (linked) item.current?.scrollIntoView({ block: 'center' });
  }, [linked]);
  // Of several links the one that was copied last says so, and not for ever.
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const ms = parseTime(event.at);
  const address = linkTo('events', { filters: { event: asText(event.id) } });
  const copy = (): void => {
    // Only pages from a safe origin may write there; the address bar shows the link in any case.
    navigator.clipboard?.writeText(new URL(address, location.href).href).then(
      () => setCopied(true),
      () => undefined,
    );
  };
  return (
    <li ref={item} class={`item event ${linked ? 'linked' : ''}`} data-node={event.node ?? ''}>
      <div class="item-meta">
        {event.node === null ? (
          <span class="node-name">the cluster</span>
        ) : (
          <NodeName name={event.node} node={model.value.nodes.get(event.node)} />
        )}
        <span class="muted">
          {ms !== null && (
            <time class="num" dateTime={event.at} title={exactTime(ms)}>
              {clock(ms)}
            </time>
          )}{' '}
          · <Age at={event.at} suffix=" ago" />
          <a class="permalink" href={address} onClick={copy} aria-current={linked ? 'true' : undefined}>
            {copied ? 'copied' : 'link'}
            <span class="sr"> to this event</span>
          </a>
        </span>
      </div>
      <div class="item-body">
        <Change event={event} />
      </div>
    </li>
  );
}

export function Change({ event }: { event: ClusterEvent }): JSX.Element {
  return (
    <>
      <p class="change">
        <State status={event.from} />
        <span aria-hidden="true">→</span>
        <span class="sr"> became </span>
        <State status={event.to} />
      </p>
      <Reason code={event.cause} sentence={event.reason} />
    </>
  );
}
