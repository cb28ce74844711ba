// What observations and memories have in common: the list with its filters and its search, what llamad is asked
// beyond the newest that every page is sent, the search of the nodes themselves, and what comes while one reads.
import { useComputed } from '@preact/signals';
import { useMemo, useRef } from 'preact/hooks';
import type { JSX } from 'preact';
import { questionOf } from '../ask';
import { asText, confidence, count, plain, related } from '../format';
import * as route from '../route';
import { byOurClock, itemTypes, itemsOf } from '../select';
import type { Item as AnyItem, ItemKind } from '../select';
import { itemKey } from '../state';
import { filterBy, here, model, serverNow } from '../store';
import { useArrivals, useAsk } from './asking';
import { DeepState, useDeep } from './deep';
import { Export } from './export';
import { ListHead, Nothing, listKey, useMore } from './list';
import { NodeName } from './state';
import { LongText, Text } from './text';
import { Age, Moment } from './time';

const ROWS = 50;

const WINDOWS = [
  ['', 'Any time'],
  ['1', 'Last hour'],
  ['24', 'Last 24 h'],
  ['168', 'Last 7 days'],
] as const;

interface ItemsProps {
  kind: ItemKind;
  title: string;
  placeholder: string;
  /** Why there may be none. */
  empty: string;
}

export function Items({ kind, title, placeholder, empty }: ItemsProps): JSX.Element {
  const question = questionOf(kind, here.value);
  const asked = JSON.stringify(question);
  const { nodes, loaded, partial } = model.value;
  const all = model.value[kind];
  const minute = question.hours > 0 ? Math.floor(serverNow.peek() / 60_000) : 0;
  const items = useMemo(
    () => itemsOf(model.peek(), kind, { ...question, sinceMs: minute && (minute - question.hours * 60) * 60_000 }),
    [all, asked, minute],
  );
  const { rows, held, arrivals, release } = useArrivals(items, asked, loaded && !partial);
  const ask = useAsk(question, asked, arrivals);
  const deep = useDeep(question, asked);
  const { most, more } = useMore(ROWS, listKey());
  const made = useRef(new WeakMap<AnyItem, JSX.Element>()).current;
  const shown = deep.found?.items ?? rows;
  const list = useMemo(
    () =>
      shown.slice(0, most).map((item) => {
        // The same element as before is not even looked at again: thousands may be on the page.
        let element = made.get(item);
        if (element === undefined) {
          element = <Item key={itemKey(item)} kind={kind} item={item} newUntil={arrivals.until(item)} />;
          made.set(item, element);
        }
        return element;
      }),
    [shown, most],
  );
  const where = question.node === null ? 'all nodes' : 'this node';
  return (
    <section aria-label={title}>
      <ListHead
        title={title}
        shown={shown.length}
        total={deep.found ? '' : onNodes(kind, question.node, rows.length)}
        placeholder={placeholder}
        end={
          <>
            <button
              type="button"
              class="button"
              disabled={question.query === '' || deep.asking !== null || !nodes.size}
              title="Asks the nodes themselves: they look into everything they ever noted"
              onClick={deep.put}
            >
              Search {where}
            </button>
            <Export name={kind} rows={() => shown.map((item) => exported(item, kind))} />
          </>
        }
      >
        <div class="filters">
          {kind === 'observations' && (
            <Pick name="type" filter="type" options={[['', 'Type'], ...itemTypes(all).map((type) => [type, type] as const)]} />
          )}
          <Pick name="time" filter="hours" options={WINDOWS} />
        </div>
      </ListHead>
      <DeepState deep={deep} where={where} />
      {ask.error !== '' && !deep.found && (
        <p class="note bad" role="alert">
          llamad could not be asked ({ask.error}): what is here already is shown.{' '}
          <button type="button" class="link" onClick={ask.again}>
            Try again
          </button>
        </p>
      )}
      {held > 0 && !deep.found && (
        <div class="pill" role="status">
          <button type="button" onClick={release}>
            ↑ {count(held)} new
          </button>
        </div>
      )}
      {list.length > 0 ? (
        <ol class="sheet items">{list}</ol>
      ) : ask.waiting && !deep.found ? (
        <p class="nothing" aria-busy="true">
          Asking llamad…
        </p>
      ) : (
        <Nothing>{empty}</Nothing>
      )}
      {more(shown.length, kind) ??
        (ask.full && !deep.found && (
          <p class="more">
            <button type="button" class="button" disabled={ask.waiting} onClick={ask.more}>
              {ask.waiting ? 'Asking llamad…' : 'Show more'}
            </button>
            <span class="muted">
              {count(rows.length)} {onNodes(kind, question.node, rows.length) || 'so far'}
            </span>
          </p>
        ))}
    </section>
  );
}

/** The nodes keep more than the page holds: says so. */
function onNodes(kind: ItemKind, node: string | null, loaded: number): string {
  const all = node === null ? model.value.stats.totals[kind] : model.value.nodes.get(node)?.counts?.[kind];
  return typeof all === 'number' && all > loaded
    ? `of ${count(all)} on ${node === null ? 'all nodes' : 'this node'}`
    : '';
}

interface PickProps {
  name: string;
  filter: 'type' | 'hours';
  options: readonly (readonly [string, string])[];
}

/** A choice that is in the address; one that only an address can make is offered as well. */
function Pick({ name, filter, options }: PickProps): JSX.Element {
  const value = here.value.filters[filter] ?? '';
  const known = options.some(([one]) => one === value);
  return (
    <span class={value === '' ? 'filter' : 'filter set'}>
      <select
        aria-label={`Filter by ${name}`}
        value={value}
        onChange={(event) => filterBy(filter, event.currentTarget.value)}
      >
        {!known && <option value={value}>{filter === 'hours' ? `Last ${plain(value)} h` : plain(value)}</option>}
        {options.map(([one, words]) => (
          <option key={one} value={one}>
            {plain(words)}
          </option>
        ))}
      </select>
    </span>
  );
}

function exported(item: AnyItem, kind: ItemKind): Record<string, unknown> {
  const { node, at, id, text, confidence: sure } = item;
  return kind === 'memories'
    ? { node, at, id, text, confidence: sure, times_confirmed: item.times_confirmed }
    : { node, at, id, text, confidence: sure, type: item.type, related_sources: item.related_sources };
}

interface ItemProps {
  kind: ItemKind;
  item: AnyItem;
  newUntil?: number;
}

export function Item({ kind, item, newUntil = 0 }: ItemProps): JSX.Element {
  // Drawn again when the node's state changes, not with each heartbeat.
  void useComputed(() => model.value.nodes.get(item.node)?.status).value;
  const node = model.peek().nodes.get(item.node);
  const at = byOurClock(item.at, node);
  const sources = kind === 'observations' ? related(item.related_sources) : [];
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
          {kind === 'memories' ? <Confirmed times={item.times_confirmed} /> : <Type value={item.type} />}
          <Confidence value={item.confidence} />
          {newUntil > 0 && <New until={newUntil} />}
        </div>
        <LongText value={item.text} />
        {sources.length > 0 && (
          <ul class="chips" aria-label="Related sources">
            {sources.map((source, index) => (
              <li key={index}>
                <a class="chip mono" href={sourceLink(item.node, source)}>
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

/** To the reading's chart; a name that is no reading's is searched for. */
function sourceLink(node: string, source: string): string {
  return model.peek().readings.get(node)?.has(source)
    ? route.linkTo('node', { node, filters: { source } })
    : route.linkTo('readings', { node, query: source });
}

function New({ until }: { until: number }): JSX.Element | null {
  return serverNow.value < until ? <span class="badge new">new</span> : null;
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

function Confirmed({ times }: { times: unknown }): JSX.Element | null {
  if (typeof times === 'number') return <span class="badge t-general num">confirmed {count(times)}×</span>;
  return asText(times) === '' ? null : (
    <span class="badge t-other">
      confirmed <Text value={times} />
    </span>
  );
}

function Confidence({ value }: { value: unknown }): JSX.Element | null {
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
