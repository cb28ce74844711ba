// Everything about one node: how it is and why, what it reads, what it says, what happened to it.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import { evidence } from '../evidence';
import type { Detail } from '../evidence';
import { HttpError } from '../feed';
import { asText, count, duration, json, parseTime, plain, shown, via, webLink } from '../format';
import type { Point } from '../lines';
import { numberOf, SPAN_MS } from '../series';
import { Chart } from '../parts/chart';
import { Dialog } from '../parts/dialog';
import { Labels } from '../parts/labels';
import { Nothing, useMore } from '../parts/list';
import { Reason } from '../parts/reason';
import { Spark } from '../parts/spark';
import { State, oldClass } from '../parts/state';
import { LongText, Text } from '../parts/text';
import { Age, Moment } from '../parts/time';
import { Value } from '../parts/value';
import { forgetNode, refreshNode } from '../ports';
import { linkTo } from '../route';
import type { View } from '../route';
import { compareNames, confirmedAt, eventRows, isOld, keyReadings, memoryRows, observationRows, sourceLabel } from '../select';
import { here, mayChange, model, ports, visit } from '../store';
import type { ClusterNode, Reading } from '../wire';
import { Change, loadEvents } from './events';

const DETAIL_MS = 2000;
const ROWS = 60;
const FEW = 3;

export function NodePage(): JSX.Element {
  const { node: name } = here.value;
  const node = name === null ? undefined : model.value.nodes.get(name);
  // Who was here and is gone was forgotten, not misspelt.
  const seen = useRef<string | null>(null);
  if (node !== undefined) seen.current = name;
  if (name === null) return <Nothing>Choose a node in the list above.</Nothing>;
  if (node !== undefined) return <Whole key={name} node={node} />;
  if (!model.value.loaded || model.value.partial) return <Nothing>Waiting for the node…</Nothing>;
  return (
    <section class="nothing" aria-label="Node">
      <h2>
        <Text value={name} /> {seen.current === name ? 'was forgotten' : 'is not here'}
      </h2>
      <p>
        {seen.current === name ? '' : 'No node of this name is known, or it was forgotten. '}
        Should it speak again, it comes back by itself. <a href={linkTo('overview')}>All nodes</a>
      </p>
    </section>
  );
}

function Whole({ node }: { node: ClusterNode }): JSX.Element {
  const detail = useDetail(node);
  const { name } = node;
  const { snapshots } = model.value;
  useEffect(() => void loadEvents(100, name), [name, snapshots]);
  return (
    <article class={`node-page ${oldClass(node)}`} data-node={name}>
      <Head node={node} />
      <div class="columns">
        <Own node={node} />
        <div>
          <Grounds detail={detail} />
          <Happened node={name} />
        </div>
        <Told node={name} />
      </div>
    </article>
  );
}

/** llamad's whole answer about the node: asked again when the node moved, but not all the time. */
function useDetail(node: ClusterNode): Detail | string | null {
  const [detail, setDetail] = useState<Detail | string | null>(null);
  const asked = useRef(-DETAIL_MS);
  useEffect(() => {
    const abort = new AbortController();
    const ask = (): void => {
      asked.current = performance.now();
      ports.get(`nodes/${encodeURIComponent(node.name)}`, abort.signal).then(
        (answer) => setDetail(answer as Detail),
        (error: HttpError) => abort.signal.aborted || setDetail(error.message),
      );
    };
    const timer = setTimeout(ask, Math.max(0, asked.current + DETAIL_MS - performance.now()));
    return () => {
      clearTimeout(timer);
      if (performance.now() - asked.current > DETAIL_MS) abort.abort();
    };
  }, [node]);
  return detail;
}

function Head({ node }: { node: ClusterNode }): JSX.Element {
  const link = webLink(node.url);
  const facts: [string, ComponentChildren][] = [
    ['Since', node.since && <Moment at={node.since} />],
    ['Last seen', node.last_seen ? <Age at={node.last_seen} suffix=" ago" now="just now" /> : 'never'],
    ['Via', node.via && via(node.via)],
    ['Answers in', typeof node.latency_ms === 'number' && `${Math.round(node.latency_ms)} ms`],
    ['Version', node.version && <Text value={node.version} />],
    ['Up for', typeof node.uptime_s === 'number' && duration(node.uptime_s * 1000)],
    ['Found by', node.discovered_by?.map(asText).join(', ')],
    ['Address', node.url && <Text value={node.url} />],
  ];
  return (
    <header class={`tile node-head s-${node.status}`}>
      <div class="node-title">
        <h2>
          <Text value={node.name} />
        </h2>
        <State status={node.status} />
        {node.type && (
          <span class="muted">
            <Text value={node.type} />
          </span>
        )}
        <Labels labels={node.labels} />
        <span class="actions">
          {link && (
            <a class="button" href={link} rel="noreferrer noopener" target="_blank" title={plain(link)}>
              Its dashboard ↗
            </a>
          )}
          {node.type !== 'edge' && mayChange.value && <Refresh name={node.name} button />}
          {mayChange.value && <Forget name={node.name} />}
        </span>
      </div>
      <Reason code={node.cause} sentence={node.reason} />
      <dl class="facts">
        {facts
          .filter(([, fact]) => fact)
          .map(([title, fact]) => (
            <div key={title}>
              <dt>{title}</dt>
              <dd>{fact}</dd>
            </div>
          ))}
      </dl>
    </header>
  );
}

/** Asks the node to send everything again. */
export function Refresh({ name, button }: { name: string; button?: boolean }): JSX.Element {
  const [state, setState] = useState<'refresh' | 'asking' | 'asked' | 'not taken'>('refresh');
  const ask = async (): Promise<void> => {
    setState('asking');
    setState((await refreshNode(name)) ? 'asked' : 'not taken');
    setTimeout(() => setState('refresh'), 3000);
  };
  return (
    <button
      type="button"
      class={button ? 'button' : 'link'}
      disabled={state === 'asking'}
      onClick={() => void ask()}
    >
      {button ? state[0]!.toUpperCase() + state.slice(1) : state}
      <span class="sr"> {plain(name)}</span>
    </button>
  );
}

function Forget({ name }: { name: string }): JSX.Element {
  const [open, setOpen] = useState(false);
  const [problem, setProblem] = useState('');
  const forget = async (): Promise<void> => {
    const status = await forgetNode(name);
    if (status === 204 || status === 404) visit(linkTo('overview'));
    else
      setProblem(
        status === 409
          ? 'This node stands in the configuration of llamad (manual_nodes): it can only be removed there.'
          : `Not forgotten: ${status === 0 ? 'llamad does not answer' : `llamad says ${status}`}.`,
      );
  };
  return (
    <>
      <button
        type="button"
        class="button"
        onClick={() => {
          setProblem('');
          setOpen(true);
        }}
      >
        Forget…
      </button>
      {open && (
        <Dialog title={`Forget ${plain(name)}`} class="forget" onClose={() => setOpen(false)}>
          <h3>
            Forget <Text value={name} />?
          </h3>
          <p>
            llamad drops what it holds of this node and what the broker keeps of it. Nothing on the node itself is
            touched: if it speaks again, it comes back.
          </p>
          {problem && <p role="alert">{problem}</p>}
          <form method="dialog" class="actions">
            <button class="button">Cancel</button>
            <button type="button" class="button danger" onClick={() => void forget()}>
              Forget
            </button>
          </form>
        </Dialog>
      )}
    </>
  );
}

function Grounds({ detail }: { detail: Detail | string | null }): JSX.Element {
  return (
    <section aria-labelledby="grounds-title">
      <h2 id="grounds-title">Evidence</h2>
      {typeof detail === 'string' && <p class="nothing">llamad does not tell: {detail}</p>}
      {detail === null && <Nothing>Asking llamad…</Nothing>}
      {detail !== null && typeof detail === 'object' && (
        <dl class="sheet grounds">
          {evidence(detail).map(({ title, good, text, at }, index) => (
            <div key={index} class={good === null ? '' : good ? 's-online' : 's-unreachable'}>
              <dt>
                <span aria-hidden="true">{good === null ? '·' : good ? '✓' : '✕'}</span>
                {title}
              </dt>
              <dd>
                <Text value={text} />
              </dd>
              <dd class="muted">{at && <Age at={at} suffix=" ago" />}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}

function Own({ node: { name, status } }: { node: ClusterNode }): JSX.Element {
  const own = model.value.readings.get(name);
  const { source } = here.value.filters;
  // Sorted when one comes or goes, not when one moves.
  const ids = useMemo(() => [...(own?.keys() ?? [])].sort(compareNames), [model.value.shape, name]);
  const { most, more } = useMore(ROWS, name);
  const chosen = own?.get(source ?? keyReadings(model.value, name, 1)[0]?.full_id ?? '');
  return (
    <section aria-labelledby="own-title">
      <h2 id="own-title">
        Readings <span class="count num">{count(ids.length)}</span>
      </h2>
      {ids.length === 0 ? (
        <Nothing>It has no readings.</Nothing>
      ) : (
        <div class="sheet">
          {chosen ? (
            <Chosen key={chosen.full_id} node={name} reading={chosen} old={isOld(status)} />
          ) : (
            <p class="chosen muted">
              There is no reading <Text value={source} /> here.
            </p>
          )}
          <ul class="own">
            {ids.slice(0, most).map((id) => {
              const reading = own?.get(id);
              return reading && <OwnRow key={id} reading={reading} chosen={reading === chosen} />;
            })}
          </ul>
        </div>
      )}
      {more(ids.length, 'readings')}
    </section>
  );
}

function OwnRow({ reading, chosen }: { reading: Reading; chosen: boolean }): JSX.Element {
  const { node, full_id: id, value } = reading;
  return (
    <li data-source={id}>
      <a href={linkTo('node', { node, filters: { source: id } })} aria-current={chosen ? 'true' : undefined}>
        <span class="mono">
          <Text value={id} />
        </span>{' '}
        <span class="muted source-label">
          <Text value={sourceLabel(reading)} />
        </span>
      </a>
      {typeof value === 'number' && <Spark node={node} fullId={id} />}
      <Value shown={shown(value, reading.unit)} />
    </li>
  );
}

/** The reading that is looked at: its last hour, or the whole of a long value. */
function Chosen({ node, reading, old }: { node: string; reading: Reading; old: boolean }): JSX.Element {
  const { value, full_id: id } = reading;
  const long = typeof value === 'string' || (typeof value === 'object' && value !== null);
  const points = useHistory(node, reading);
  const series = useMemo(() => [{ label: id, points: points ?? [], old }], [points, id, old]);
  return (
    <div class="chosen">
      <h3>
        <Text value={id} /> <span class="muted">{plain(sourceLabel(reading))}</span>
      </h3>
      {long ? (
        <LongText value={typeof value === 'string' ? value : json(value)} />
      ) : (
        <>
          <p class="big">
            <Value shown={shown(value, reading.unit)} />
          </p>
          {(typeof value === 'number' || points?.some((point) => point[1] !== null)) && (
            <Chart series={series} unit={reading.unit} label={`${plain(id)}, the last hour`} height={190} />
          )}
        </>
      )}
    </div>
  );
}

/** The last hour of a reading as llamad has it, carried on with what comes. */
function useHistory(node: string, reading: Reading): readonly Point[] | null {
  const [points, setPoints] = useState<readonly Point[] | null>(null);
  const { snapshots, serverMs, nodes } = model.value;
  const { full_id: id } = reading;
  useEffect(() => {
    const abort = new AbortController();
    const query = `history?points=1000&node=${encodeURIComponent(node)}&source=${encodeURIComponent(id)}`;
    ports.get(query, abort.signal).then(
      (answer) => setPoints((answer as { points: Point[] | null }).points ?? []),
      () => abort.signal.aborted || setPoints([]),
    );
    return () => abort.abort();
  }, [node, id, snapshots]);
  const confirmed = parseTime(confirmedAt(nodes.get(node)));
  useEffect(() => {
    setPoints((old) => {
      const last = old?.at(-1)?.[0] ?? 0;
      const at = Math.min(serverMs, confirmed ?? serverMs);
      // Once a second is as often as it is drawn.
      if (old === null || at < last + 1000) return old;
      const kept = old.filter(([ms]) => ms > at - SPAN_MS);
      return [...kept, [at, numberOf(reading.value)]];
    });
  }, [reading, confirmed]);
  return points;
}

function Told({ node }: { node: string }): JSX.Element {
  const { observations, memories } = model.value;
  const filter = { node, query: '' };
  const seen = useMemo(() => observationRows(model.peek(), filter), [observations, node]);
  const kept = useMemo(() => memoryRows(model.peek(), filter), [memories, node]);
  return (
    <>
      <section aria-label="Observations">
        <More view="observations" node={node} all={seen.length} />
        <Few rows={seen} />
      </section>
      <section aria-label="Memories">
        <More view="memories" node={node} all={kept.length} />
        <Few rows={kept} />
      </section>
    </>
  );
}

function Few({ rows }: { rows: readonly { key: string; item: { text: unknown; at: string | null } }[] }): JSX.Element {
  if (rows.length === 0) return <p class="muted">None.</p>;
  return (
    <ul class="sheet few">
      {rows.slice(0, FEW).map(({ key, item }) => (
        <li key={key}>
          <LongText value={item.text} />
          <p class="muted">
            <Age at={item.at} suffix=" ago" />
          </p>
        </li>
      ))}
    </ul>
  );
}

function More({ view, node, all }: { view: View; node: string; all: number }): JSX.Element {
  return (
    <h2>
      {view[0]!.toUpperCase() + view.slice(1)} <span class="count num">{count(all)}</span>{' '}
      {all > FEW && (
        <a href={linkTo(view, { node })}>
          all<span class="sr"> {view}</span>
        </a>
      )}
    </h2>
  );
}

function Happened({ node }: { node: string }): JSX.Element {
  const { events } = model.value;
  const rows = useMemo(
    () => eventRows(model.peek(), { node, query: '' }).filter((event) => event.node !== null),
    [events, node],
  );
  return (
    <section aria-label="Events">
      <More view="events" node={node} all={rows.length} />
      {rows.length === 0 ? (
        <p class="muted">Its state has not changed.</p>
      ) : (
        <ul class="sheet few">
          {rows.slice(0, FEW).map((event) => (
            <li key={asText(event.id)} class="event">
              <Change event={event} />
              <p class="muted">
                <Moment at={event.at} /> · <Age at={event.at} suffix=" ago" />
              </p>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
