// The page's picture of the cluster, and the pure function that moves it on: `reduce(model, actions)`. No
// clock, no network. What did not change keeps its identity, so that views can compare by reference.
import { idKey } from './json';
import type {
  ClusterEvent,
  ClusterNode,
  Frame,
  Incident,
  Memory,
  Observation,
  Polled,
  Reading,
  Removed,
  Stats,
} from './wire';

export interface Model {
  /** False until the first snapshot or the first round of polling. */
  readonly loaded: boolean;
  /** True while further parts of a snapshot are to come. */
  readonly partial: boolean;
  /** How many snapshots there have been. */
  readonly snapshots: number;
  /** Counts up whenever a reading comes or goes: then lists have other rows, not only other values. */
  readonly shape: number;
  /** llamad's clock when the newest data was made, and ours when it came, in ms since 1970; 0 before that. */
  readonly serverMs: number;
  readonly receivedMs: number;
  /** Since when llamad has had no broker; null while it has one. */
  readonly brokerDownSince: string | null;
  /** What is wrong with the clock of llamad's machine; null while nothing is. */
  readonly ownClock: Incident | null;
  readonly nodes: ReadonlyMap<string, ClusterNode>;
  /** By node, then by full_id. */
  readonly readings: ReadonlyMap<string, ReadonlyMap<string, Reading>>;
  /** By `itemKey`. */
  readonly observations: ReadonlyMap<string, Observation>;
  readonly memories: ReadonlyMap<string, Memory>;
  /** Newest first. */
  readonly events: readonly ClusterEvent[];
  readonly stats: ClusterStats;
}

export interface ClusterStats {
  readonly nodes: Readonly<Record<string, number>>;
  readonly totals: Readonly<Record<string, number>>;
  /** A map, as a node may well be called `__proto__`. */
  readonly by_node: ReadonlyMap<string, Record<string, unknown> | null>;
}

export type Action =
  | { type: 'frame'; frame: Frame; receivedMs: number }
  | { type: 'polled'; answers: Polled; receivedMs: number }
  /** More items of one node, asked for over HTTP; they join what is there. */
  | { type: 'items'; observations: Observation[]; memories: Memory[] }
  /** Older events, asked for over HTTP. */
  | { type: 'events'; events: ClusterEvent[] };

/** A page left open for weeks must not grow: beyond these the oldest go. */
export const MAX_ITEMS = 5000;
export const MAX_EVENTS = 1000;
const KEPT_ITEMS = MAX_ITEMS - MAX_ITEMS / 10;
/** So many of each kind come with a snapshot, and with a round of polling. */
export const POLLED_ITEMS = 200;

export const emptyModel: Model = {
  loaded: false,
  partial: false,
  snapshots: 0,
  shape: 0,
  serverMs: 0,
  receivedMs: 0,
  brokerDownSince: null,
  ownClock: null,
  nodes: new Map(),
  readings: new Map(),
  observations: new Map(),
  memories: new Map(),
  events: [],
  stats: { nodes: {}, totals: {}, by_node: new Map() },
};

export function itemKey(item: { node: string; id: unknown }): string {
  return `${item.node}\u0000${idKey(item.id)}`;
}

/**
 * A delta can only be laid on the snapshot of the same llamad, and only if it is newer than what was seen
 * last; a part only on the beginning of its own snapshot.
 */
export function follows(seen: Seen | null, frame: Frame): boolean {
  if (frame.type === 'snapshot') return true;
  if (seen === null || seen.instance !== frame.instance) return false;
  return frame.type === 'part'
    ? seen.more && frame.revision === seen.revision
    : !seen.more && frame.revision > seen.revision;
}

/** What of the last frame decides which one may be next. */
export interface Seen {
  instance: string;
  revision: number;
  more: boolean;
}

/** The maps that this batch has made itself: they may be written to, all others are somebody's picture. */
type Fresh = WeakSet<object>;

/** Takes all actions in order. What many frames change is copied once. */
export function reduce(model: Model, ...actions: readonly Action[]): Model {
  const fresh: Fresh = new WeakSet();
  return actions.reduce((before, action) => step(before, action, fresh), model);
}

function step(model: Model, action: Action, fresh: Fresh): Model {
  switch (action.type) {
    case 'frame':
      return action.frame.type === 'snapshot'
        ? snapshot(model, action.frame, action.receivedMs)
        : delta(model, action.frame, action.receivedMs, fresh);
    case 'polled':
      return polled(model, action.answers, action.receivedMs);
    case 'items':
      return {
        ...model,
        observations: addItems(model, model.observations, action.observations),
        memories: addItems(model, model.memories, action.memories),
      };
    case 'events':
      return { ...model, events: mergeEvents(model.events, action.events) };
  }
}

function writable<K, V>(map: ReadonlyMap<K, V>, fresh: Fresh): Map<K, V> {
  if (fresh.has(map)) return map as Map<K, V>;
  const copy = new Map(map);
  fresh.add(copy);
  return copy;
}

function ownClock(incidents: Incident[] | undefined): Incident | null {
  return incidents?.find((incident) => incident.cause === 'own_clock') ?? null;
}

function snapshot(model: Model, frame: Frame, receivedMs: number): Model {
  return {
    loaded: true,
    partial: frame.more === true,
    snapshots: model.snapshots + 1,
    shape: model.shape + 1,
    serverMs: Date.parse(frame.timestamp),
    receivedMs,
    brokerDownSince: frame.broker_down_since ?? null,
    ownClock: ownClock(frame.incidents),
    nodes: byName(frame.nodes ?? []),
    readings: byNode(frame.readings ?? []),
    observations: mergeItems(new Map(), frame.observations ?? []),
    memories: mergeItems(new Map(), frame.memories ?? []),
    events: mergeEvents([], frame.events ?? []),
    stats: mergeStats(emptyModel.stats, frame.stats, [], new WeakSet()),
  };
}

function polled(model: Model, answers: Polled, receivedMs: number): Model {
  return {
    loaded: true,
    partial: false,
    snapshots: model.snapshots,
    shape: model.shape + 1,
    serverMs: Date.parse(answers.nodes.timestamp),
    receivedMs,
    brokerDownSince: answers.health.broker_down_since ?? null,
    ownClock: ownClock(answers.health.incidents),
    nodes: byName(answers.nodes.nodes),
    readings: byNode(answers.readings.readings),
    observations: polledItems(model.observations, answers.observations.observations, answers.nodes.nodes),
    memories: polledItems(model.memories, answers.memories.memories, answers.nodes.nodes),
    events: mergeEvents(model.events, answers.events.events),
    stats: mergeStats(emptyModel.stats, answers.stats, [], new WeakSet()),
  };
}

/** A delta, or a further part of a snapshot, which brings only nodes and readings. */
function delta(model: Model, frame: Frame, receivedMs: number, fresh: Fresh): Model {
  const removed = frame.removed ?? {};
  const gone = removed.nodes ?? [];
  const next: Model = {
    ...model,
    partial: frame.more === true,
    serverMs: Date.parse(frame.timestamp),
    receivedMs,
    nodes: mergeNodes(model.nodes, frame.nodes ?? [], gone, fresh),
    observations: mergeItems(model.observations, frame.observations ?? [], removed.observations, gone, fresh),
    memories: mergeItems(model.memories, frame.memories ?? [], removed.memories, gone, fresh),
    events: frame.events ? mergeEvents(model.events, frame.events) : model.events,
    stats: mergeStats(model.stats, frame.stats, gone, fresh),
    ...mergeReadings(model, frame.readings ?? [], removed, fresh),
  };
  if (frame.type === 'part') return next;
  return {
    ...next,
    brokerDownSince: frame.broker_down_since ?? null,
    ownClock: ownClock(frame.incidents),
  };
}

function byName(nodes: readonly ClusterNode[]): Map<string, ClusterNode> {
  return new Map(nodes.map((node) => [node.name, node]));
}

function byNode(readings: readonly Reading[]): Map<string, Map<string, Reading>> {
  const all = new Map<string, Map<string, Reading>>();
  for (const reading of readings) {
    let own = all.get(reading.node);
    if (own === undefined) all.set(reading.node, (own = new Map()));
    own.set(reading.full_id, reading);
  }
  return all;
}

// Removals go first: a node that was forgotten and came back within one delta is in both lists, and is there.

function mergeNodes(
  old: Model['nodes'],
  changed: readonly ClusterNode[],
  gone: readonly string[],
  fresh: Fresh,
): Model['nodes'] {
  if (changed.length === 0 && gone.length === 0) return old;
  const nodes = writable(old, fresh);
  for (const name of gone) nodes.delete(name);
  for (const node of changed) nodes.set(node.name, node);
  return nodes;
}

function mergeReadings(
  model: Model,
  changed: readonly Reading[],
  removed: Removed,
  fresh: Fresh,
): Pick<Model, 'readings' | 'shape'> {
  const { readings: old } = model;
  const singles = removed.readings ?? [];
  const gone = removed.nodes ?? [];
  let { shape } = model;
  if (changed.length === 0 && singles.length === 0 && gone.length === 0) return { readings: old, shape };
  const all = writable(old, fresh);
  const own = (node: string): Map<string, Reading> => {
    const before = all.get(node) ?? new Map<string, Reading>();
    const map = writable(before, fresh);
    if (map !== before) all.set(node, map);
    return map;
  };
  for (const node of gone) if (all.delete(node)) shape++;
  for (const [node, fullId] of singles) {
    if (all.get(node)?.has(fullId) && own(node).delete(fullId)) shape++;
  }
  for (const reading of changed) {
    const map = own(reading.node);
    if (!map.has(reading.full_id)) shape++;
    map.set(reading.full_id, reading);
  }
  return { readings: all, shape };
}

function mergeItems<T extends { node: string; id: unknown; at: string | null }>(
  old: ReadonlyMap<string, T>,
  changed: readonly T[],
  removed: readonly [string, unknown][] = [],
  gone: readonly string[] = [],
  fresh: Fresh = new WeakSet(),
): ReadonlyMap<string, T> {
  if (changed.length === 0 && removed.length === 0 && gone.length === 0) return old;
  const items = writable(old, fresh);
  if (gone.length > 0) {
    const names = new Set(gone);
    for (const [key, item] of items) if (names.has(item.node)) items.delete(key);
  }
  for (const [node, id] of removed) items.delete(itemKey({ node, id }));
  for (const item of changed) items.set(itemKey(item), item);
  return items.size > MAX_ITEMS ? newest(items, KEPT_ITEMS) : items;
}

/** An answer that is full tells nothing of what lies beyond it: what a reader had asked for stays. */
function polledItems<T extends { node: string; id: unknown; at: string | null }>(
  old: ReadonlyMap<string, T>,
  answer: readonly T[],
  nodes: readonly ClusterNode[],
): ReadonlyMap<string, T> {
  const names = new Set(answer.length < POLLED_ITEMS ? [] : nodes.map((node) => node.name));
  return mergeItems(new Map([...old].filter(([, item]) => names.has(item.node))), answer);
}

/**
 * Joins what was asked for over HTTP. The socket may have been faster meanwhile: what is there stands, and a
 * node that was forgotten stays so.
 */
function addItems<T extends { node: string; id: unknown; at: string | null }>(
  model: Model,
  old: ReadonlyMap<string, T>,
  more: readonly T[],
): ReadonlyMap<string, T> {
  const missing = more.filter((item) => model.nodes.has(item.node) && !old.has(itemKey(item)));
  // What somebody has just asked for may be older than all that is here: the others make room.
  const room = old.size + missing.length > MAX_ITEMS ? Math.max(0, KEPT_ITEMS - missing.length) : MAX_ITEMS;
  return mergeItems(old.size > room ? newest(old, room) : old, missing);
}

function newest<T extends { at: string | null }>(items: ReadonlyMap<string, T>, keep: number): Map<string, T> {
  const sorted = [...items].sort(([, a], [, b]) => compareTimes(b.at, a.at));
  return new Map(sorted.slice(0, keep));
}

/** RFC 3339 in UTC with the same number of digits sorts as text; null is older than everything. */
export function compareTimes(a: string | null, b: string | null): number {
  if (a === b) return 0;
  if (a === null) return -1;
  if (b === null) return 1;
  return a < b ? -1 : 1;
}

function mergeEvents(old: readonly ClusterEvent[], more: readonly ClusterEvent[]): readonly ClusterEvent[] {
  const byId = new Map<string, ClusterEvent>();
  for (const event of [...old, ...more]) byId.set(idKey(event.id), event);
  const sorted = [...byId.values()].sort((a, b) => compareTimes(b.at, a.at) || compareIds(b.id, a.id));
  return sorted.slice(0, MAX_EVENTS);
}

function compareIds(a: unknown, b: unknown): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : 0;
}

function mergeStats(
  old: ClusterStats,
  change: Partial<Stats> | undefined,
  gone: readonly string[],
  fresh: Fresh,
): ClusterStats {
  if (change === undefined && gone.length === 0) return old;
  const said = Object.entries(change?.by_node ?? {});
  let byNodeStats = old.by_node;
  if (said.length + gone.length > 0) {
    const own = writable(old.by_node, fresh);
    for (const name of gone) own.delete(name);
    for (const [name, stats] of said) own.set(name, stats);
    byNodeStats = own;
  }
  return {
    nodes: change?.nodes ?? old.nodes,
    totals: change?.totals ?? old.totals,
    by_node: byNodeStats,
  };
}
