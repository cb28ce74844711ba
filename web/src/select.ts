// What the views show of the model: filtered, sorted rows. Pure.
import { asText, parseTime, related, shown } from './format';
import type { Shown } from './format';
import { ExactNumber } from './json';
import { compareTimes, itemKey } from './state';
import type { Model } from './state';
import type { Sort } from './route';
import type { ClusterEvent, ClusterNode, Memory, NodeStatus, Observation, Reading } from './wire';

export interface Filter {
  node: string | null;
  query: string;
}

export interface ReadingRow {
  key: string;
  reading: Reading;
  node: ClusterNode | undefined;
  shown: Shown;
  /** When the node last said so: an unchanged reading is as old as the node's last snapshot. */
  at: string | null;
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

const BY_NEED: readonly NodeStatus[] = ['unreachable', 'degraded', 'stale', 'unknown', 'online'];

/** Broken nodes first, worst first. */
export function nodesByNeed(model: Model, node: string | null): ClusterNode[] {
  const list = [...model.nodes.values()].filter((one) => node === null || one.name === node);
  return list.sort(
    (a, b) => BY_NEED.indexOf(a.status) - BY_NEED.indexOf(b.status) || compareNames(a.name, b.name),
  );
}

let lastNames: readonly string[] = [];

/** In order; sorted anew only when a node came or went, as a thousand names take a while. */
export function nodeNames(model: Model): readonly string[] {
  const same = lastNames.length === model.nodes.size && lastNames.every((name) => model.nodes.has(name));
  if (!same) lastNames = [...model.nodes.keys()].sort(compareNames);
  return lastNames;
}

function matcher(query: string): (texts: readonly string[]) => boolean {
  const words = query
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return (texts) => {
    if (words.length === 0) return true;
    const all = texts.join('\n').toLowerCase();
    return words.every((word) => all.includes(word));
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

export function readingRows(model: Model, filter: Filter, sort: Sort | null): ReadingRow[] {
  const rows: ReadingRow[] = [];
  const matches = matcher(filter.query);
  const searched = filter.query !== '';
  const names = filter.node === null ? namesWithReadings(model) : [filter.node];
  for (const name of names) {
    const node = model.nodes.get(name);
    const confirmed = confirmedAt(node);
    for (const reading of inOrder(model.readings.get(name))) {
      const row = readingRow(reading, node, confirmed ?? reading.at);
      if (!searched || matches(textsOf(row))) rows.push(row);
    }
  }
  return sort === null ? rows : rows.sort(readingOrder(sort));
}

function textsOf({ reading, shown }: ReadingRow): string[] {
  return [reading.node, reading.full_id, label(reading), shown.text, shown.unit];
}

/** How the value is written is worked out for those rows only of which somebody asks. */
function readingRow(reading: Reading, node: ClusterNode | undefined, at: string | null): ReadingRow {
  let view: Shown | undefined;
  return {
    key: `${reading.node}\u0000${reading.full_id}`,
    reading,
    node,
    get shown() {
      return (view ??= shown(reading.value, reading.unit));
    },
    at,
  };
}

function namesWithReadings(model: Model): readonly string[] {
  const strangers = [...model.readings.keys()].filter((name) => !model.nodes.has(name));
  if (strangers.length === 0) return nodeNames(model);
  return [...nodeNames(model), ...strangers].sort(compareNames);
}

const orders = new WeakMap<ReadonlyMap<string, Reading>, readonly Reading[]>();

/** By full_id; sorted once for each change of the node. */
function inOrder(own: ReadonlyMap<string, Reading> | undefined): readonly Reading[] {
  if (own === undefined) return [];
  let list = orders.get(own);
  if (list === undefined) {
    list = [...own.values()].sort((a, b) => compareNames(a.full_id, b.full_id));
    orders.set(own, list);
  }
  return list;
}

function byNodeAndSource(a: ReadingRow, b: ReadingRow): number {
  return compareNames(a.reading.node, b.reading.node) || compareNames(a.reading.full_id, b.reading.full_id);
}

function readingOrder(sort: Sort): (a: ReadingRow, b: ReadingRow) => number {
  const orders: Record<string, (a: ReadingRow, b: ReadingRow) => number> = {
    node: byNodeAndSource,
    source: (a, b) => compareNames(a.reading.full_id, b.reading.full_id),
    value: (a, b) => compareValues(a.reading.value, b.reading.value),
    // Ascending age is the newest first.
    age: (a, b) => compareTimes(b.at, a.at),
  };
  const order = orders[sort.key] ?? byNodeAndSource;
  const direction = sort.descending ? -1 : 1;
  return (a, b) => direction * order(a, b) || byNodeAndSource(a, b);
}

const KINDS = ['number', 'boolean', 'string', 'object', 'none'] as const;

function kindOf(value: unknown): number {
  if (value === null || value === undefined) return KINDS.indexOf('none');
  if (value instanceof ExactNumber) return KINDS.indexOf('number');
  return KINDS.indexOf(typeof value as (typeof KINDS)[number]);
}

/** Numbers, then booleans, texts, JSON, and no value last. */
export function compareValues(a: unknown, b: unknown): number {
  const kind = kindOf(a) - kindOf(b);
  if (kind !== 0) return kind;
  if (kindOf(a) <= 1) return Number(a) - Number(b);
  return compareNames(asText(a), asText(b));
}

function items<T extends { node: string; id: unknown }>(
  model: Model,
  all: Iterable<T>,
  filter: Filter,
  texts: (item: T) => string[],
): ItemRow<T>[] {
  const matches = matcher(filter.query);
  const rows: ItemRow<T>[] = [];
  for (const item of all) {
    if (filter.node !== null && item.node !== filter.node) continue;
    if (matches([item.node, ...texts(item)])) {
      rows.push({ key: itemKey(item), item, node: model.nodes.get(item.node) });
    }
  }
  return rows;
}

/** Newest first; unreadable times last. */
export function observationRows(model: Model, filter: Filter): ItemRow<Observation>[] {
  const texts = (item: Observation): string[] => [
    asText(item.text),
    asText(item.type),
    ...related(item.related_sources),
  ];
  return items(model, model.observations.values(), filter, texts).sort(
    (a, b) => compareTimes(b.item.at, a.item.at) || compareNames(a.key, b.key),
  );
}

/** Most confirmed first, then newest. */
export function memoryRows(model: Model, filter: Filter): ItemRow<Memory>[] {
  const times = (memory: Memory): number =>
    typeof memory.times_confirmed === 'number' ? memory.times_confirmed : 0;
  return items(model, model.memories.values(), filter, (item) => [asText(item.text)]).sort(
    (a, b) =>
      times(b.item) - times(a.item) || compareTimes(b.item.at, a.item.at) || compareNames(a.key, b.key),
  );
}

/** An event without a node is about the cluster, and stands in every node's list. */
export function eventRows(model: Model, filter: Filter): ClusterEvent[] {
  const matches = matcher(filter.query);
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
