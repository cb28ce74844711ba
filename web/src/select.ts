// What the views show of the model: filtered, sorted rows. Pure.
import { asText, cause as causeWords, dateTime, parseTime, related } from './format';
import { compareTimes, itemKey } from './state';
import { STATUSES } from './wire';
import type { Model } from './state';
import type { ClusterEvent, ClusterNode, Memory, NodeStatus, Observation, Reading } from './wire';

export interface Filter {
  node: string | null;
  query: string;
}

export interface ItemRow<T> {
  key: string;
  item: T;
  node: ClusterNode | undefined;
}

const names = new Intl.Collator('en', { numeric: true });

/** By name, so that pi-2 stands before pi-10; equal to the eye is not equal. */
export function compareNames(a: string, b: string): number {
  return names.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/** Values of nodes in these states are old: they are shown as such. */
export function isOld(status: NodeStatus | undefined): boolean {
  return status === undefined || status === 'stale' || status === 'unreachable' || status === 'unknown';
}

export function isBroken(status: NodeStatus): boolean {
  return status !== 'online';
}

/** Of counts by state. */
export function brokenNodes(counts: Readonly<Record<string, number>>): number {
  return STATUSES.reduce((sum, status) => sum + (isBroken(status) ? (counts[status] ?? 0) : 0), 0);
}

const BY_NEED: readonly NodeStatus[] = ['unreachable', 'degraded', 'stale', 'unknown', 'online'];

/** Broken nodes first, worst first; within a state by name. */
export function nodesByNeed(model: Model, node: string | null): ClusterNode[] {
  const buckets = new Map<NodeStatus, ClusterNode[]>(BY_NEED.map((status) => [status, []]));
  for (const name of node === null ? nodeNames(model) : [node]) {
    const one = model.nodes.get(name);
    if (one !== undefined) (buckets.get(one.status) ?? buckets.get('unknown'))!.push(one);
  }
  return [...buckets.values()].flat();
}

/** How many nodes are in each state: as llamad counts them while only some of them are here. */
export function stateCounts(model: Model): Readonly<Record<string, number>> {
  if (model.partial) return model.stats.nodes;
  const counts: Record<string, number> = {};
  for (const { status } of model.nodes.values()) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** What a search for nodes looks into. */
export function nodeTexts({ name, type, status, reason, cause, labels }: ClusterNode): string[] {
  const own = Object.entries(labels ?? {}).map(([key, value]) => `${key}: ${asText(value)}`);
  return [name, type ?? '', status, causeWords(cause ?? ''), reason ?? '', ...own];
}

let lastNames: readonly string[] = [];

/** In order; sorted anew only when a node came or went, as a thousand names take a while. */
export function nodeNames(model: Model): readonly string[] {
  const same = lastNames.length === model.nodes.size && lastNames.every((name) => model.nodes.has(name));
  if (!same) lastNames = [...model.nodes.keys()].sort(compareNames);
  return lastNames;
}

/** The words of a search, in lower case. */
export function words(query: string): string[] {
  return query
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
}

/** Are all words in the texts, whatever the case? */
export function matcher(wanted: readonly string[]): (texts: readonly string[]) => boolean {
  return (texts) => {
    if (wanted.length === 0) return true;
    const all = texts.join('\n').toLowerCase();
    return wanted.every((word) => all.includes(word));
  };
}

function label(reading: Reading): string {
  const metadata = reading.metadata;
  return typeof metadata === 'object' && metadata !== null
    ? asText((metadata as Record<string, unknown>)['name'])
    : '';
}

/** The name a node gives to a source, such as `door_switch` for `gpio:27`; '' if it gives none. */
export { label as sourceLabel };

/** When a node's readings were last confirmed, by llamad's clock if it says so: the node's may be wrong. */
export function confirmedAt(node: ClusterNode | undefined): string | null {
  return node?.confirmed_at ?? node?.captured_at ?? null;
}

/** A time that a node told, as llamad's clock would have shown it; small differences are not worth it. */
export function byOurClock(at: string | null, node: ClusterNode | undefined): string | null {
  const skewS = node?.clock_skew_s;
  const ms = parseTime(at);
  if (ms === null || typeof skewS !== 'number' || Math.abs(skewS) < SKEW_S) return at;
  return new Date(ms - skewS * 1000).toISOString();
}

const SKEW_S = 5;

export type ItemKind = 'observations' | 'memories';
/** An observation or a memory; what only one of them has is absent in the other. */
export interface Item extends Pick<Observation, 'node' | 'at' | 'id' | 'text' | 'confidence'> {
  type?: unknown;
  related_sources?: unknown;
  times_confirmed?: unknown;
}

export interface ItemFilter extends Filter {
  /** Exactly this type; '' or absent: all. */
  type?: string;
  /** Not older than this, by llamad's clock; 0 or absent: all. */
  sinceMs?: number;
}

const timesConfirmed = (item: Item): number =>
  typeof item.times_confirmed === 'number' ? item.times_confirmed : 0;

/** Newest first by our clock, unreadable times last; memories by how often they were confirmed before that. */
export function sortItems(items: Iterable<Item>, kind: ItemKind, nodes: Model['nodes']): readonly Item[] {
  const rows = Array.from(items, (item) => ({
    item,
    at: byOurClock(item.at, nodes.get(item.node)),
    times: kind === 'memories' ? timesConfirmed(item) : 0,
  }));
  rows.sort(
    (a, b) => b.times - a.times || compareTimes(b.at, a.at) || compareNames(itemKey(a.item), itemKey(b.item)),
  );
  return rows.map(({ item }) => item);
}

/** In order, once per change of the model's map and not per paint. */
const sorted = new WeakMap<object, readonly Item[]>();

function inOrder(all: ReadonlyMap<string, Item>, kind: ItemKind, nodes: Model['nodes']): readonly Item[] {
  let list = sorted.get(all);
  if (list === undefined) sorted.set(all, (list = sortItems(all.values(), kind, nodes)));
  return list;
}

function within(item: Item, sinceMs: number, nodes: Model['nodes']): boolean {
  const ms = parseTime(byOurClock(item.at, nodes.get(item.node)));
  return ms !== null && ms >= sinceMs;
}

/** The items of a kind that the filter leaves, in order. */
export function itemsOf(model: Pick<Model, 'nodes' | ItemKind>, kind: ItemKind, filter: ItemFilter): readonly Item[] {
  const { node, query, type = '', sinceMs = 0 } = filter;
  const wanted = words(query);
  const matches = matcher(wanted);
  return inOrder(model[kind], kind, model.nodes).filter(
    (item) =>
      (node === null || item.node === node) &&
      (type === '' || asText(item.type) === type) &&
      (sinceMs === 0 || within(item, sinceMs, model.nodes)) &&
      (wanted.length === 0 ||
        matches([item.node, asText(item.text), asText(item.type), ...related(item.related_sources)])),
  );
}

const TYPES_MAX = 50;

/** The types that there are, to choose from; a node may make up as many as it likes. */
export function itemTypes(all: ReadonlyMap<string, Item>): string[] {
  const types = new Set<string>();
  for (const item of all.values()) if (types.size < TYPES_MAX) types.add(asText(item.type));
  types.delete('');
  return [...types].sort(compareNames);
}

function rowsOf<T extends Item>(model: Model, kind: ItemKind, filter: ItemFilter): ItemRow<T>[] {
  return itemsOf(model, kind, filter).map((item) => ({
    key: itemKey(item),
    item: item as T,
    node: model.nodes.get(item.node),
  }));
}

export const observationRows = (model: Model, filter: ItemFilter): ItemRow<Observation>[] =>
  rowsOf(model, 'observations', filter);

export const memoryRows = (model: Model, filter: ItemFilter): ItemRow<Memory>[] =>
  rowsOf(model, 'memories', filter);

/** An event without a node is about the cluster, and stands in every node's list. */
export function eventRows(model: Model, filter: Filter): ClusterEvent[] {
  const matches = matcher(words(filter.query));
  return model.events.filter(
    (event) =>
      (filter.node === null || event.node === null || event.node === filter.node) &&
      matches([
        event.node ?? 'cluster',
        event.from ?? '',
        event.to ?? '',
        event.cause ?? '',
        event.reason ?? '',
      ]),
  );
}

/** Events by the day they fell on by the reader's clock, in their order. */
export function byDay(events: readonly ClusterEvent[]): [day: string, events: ClusterEvent[]][] {
  const days: [string, ClusterEvent[]][] = [];
  for (const event of events) {
    const ms = parseTime(event.at);
    const day = ms === null ? 'no readable time' : dateTime(ms).slice(0, 10);
    if (days.at(-1)?.[0] !== day) days.push([day, []]);
    days.at(-1)![1].push(event);
  }
  return days;
}

/** Numbers of a node for the overview; null where the node never said. */
export interface Sums {
  name: string;
  status: NodeStatus | undefined;
  readings: number | null;
  observations: number | null;
  memories: number | null;
  sources: number | null;
}

function asCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function breakdown(model: Model): Sums[] {
  return nodeNames(model).map((name) => {
    const node = model.nodes.get(name);
    const own = model.stats.by_node.get(name);
    return {
      name,
      status: node?.status,
      readings: asCount(own?.['readings_count']),
      observations: asCount(own?.['observations_count']) ?? asCount(node?.counts?.observations),
      memories: asCount(own?.['memories_count']) ?? asCount(node?.counts?.memories),
      sources: model.readings.get(name)?.size ?? asCount(node?.counts?.readings) ?? 0,
    };
  });
}

/**
 * How many readings are here, of all nodes together: counted, as it changes more often than `stats` is sent.
 */
export function sources(model: Model): number {
  if (model.partial) return model.stats.totals['sources'] ?? 0;
  let sum = 0;
  for (const own of model.readings.values()) sum += own.size;
  return sum;
}

/** The few readings that say most about a machine, for its card. */
export function keyReadings(model: Model, name: string, most: number): Reading[] {
  const own = model.readings.get(name);
  if (own === undefined) return [];
  const rank = (reading: Reading): number => {
    if (reading.value === null || (reading.value === 0 && ZERO_IS_NONE.includes(reading.full_id)))
      return KEY_SOURCES.length + 1;
    const known = KEY_SOURCES.indexOf(reading.full_id);
    return known >= 0 ? known : KEY_SOURCES.length;
  };
  return [...own.values()].sort((a, b) => rank(a) - rank(b)).slice(0, most);
}

/** Smollama says 0 here for "not available". */
const ZERO_IS_NONE = ['system:cpu_temp', 'system:cpu_freq'];

const KEY_SOURCES = [
  'dht11:temperature',
  'dht11:humidity',
  'system:cpu_temp',
  'system:mem_percent',
  'system:load_avg',
  'gpio:17',
  'gpio:27',
];
