// One source on all nodes, side by side: what there is to compare, and who stands out. Pure. Values of silent
// nodes are shown, but do not count.
import { asText, shown, unit as unitWords } from './format';
import { ExactNumber } from './json';
import { nodePasses } from './order';
import { compareNames, confirmedAt, isOld, matcher, nodeNames, words } from './select';
import type { Model } from './state';
import type { Filters, Sort } from './route';
import type { ClusterNode, Reading } from './wire';

/** A source on nodes that give it the same unit. */
export interface Group {
  readonly key: string;
  readonly fullId: string;
  /** As people write it; `boolean` for switches. */
  readonly unit: string;
  nodes: number;
  /** Of nodes that are silent. */
  old: number;
  /** What counts: the numbers, and how often each other value is told. */
  readonly numbers: number[];
  readonly words: Map<string, number>;
}

/** Celsius and °C are one unit. Switches keep theirs: 0 and 1 are no measure. */
export function unitKey(raw: unknown): string {
  const text = asText(raw);
  return text.toLowerCase() === 'boolean' ? 'boolean' : unitWords(text);
}

/** null for what is no number or has no size, and for switches. */
export function numberIn(reading: Reading, unit: string): number | null {
  const { value } = reading;
  if (typeof value !== 'number' && !(value instanceof ExactNumber)) return null;
  const number = Number(value);
  return Number.isFinite(number) && (unit !== 'boolean' || (number !== 0 && number !== 1)) ? number : null;
}

const LONGEST = 60;

/** The same few units, thousands of times. */
type UnitKeys = Map<unknown, string>;

function groupIn(units: Map<string, Group>, fullId: string, reading: Reading, keys: UnitKeys = new Map()): Group {
  let unit = keys.get(reading.unit);
  if (unit === undefined) keys.set(reading.unit, (unit = unitKey(reading.unit)));
  let group = units.get(unit);
  if (group === undefined) {
    group = { key: `${fullId}\u0000${unit}`, fullId, unit, nodes: 0, old: 0, numbers: [], words: new Map() };
    units.set(unit, group);
  }
  return group;
}

function count(group: Group, reading: Reading, old: boolean): void {
  group.nodes++;
  if (old) {
    group.old++;
    return;
  }
  const number = numberIn(reading, group.unit);
  if (number !== null) group.numbers.push(number);
  else {
    const word = shown(reading.value, reading.unit).text.slice(0, LONGEST) || '(empty text)';
    group.words.set(word, (group.words.get(word) ?? 0) + 1);
  }
}

/** All sources of the nodes that pass. A chosen node leaves those that it has. */
export function groups(model: Model, node: string | null, query: string, filters: Filters): Group[] {
  const found = new Map<string, Map<string, Group>>();
  const keys: UnitKeys = new Map();
  const chosen = node === null ? null : model.readings.get(node);
  for (const [name, own] of model.readings) {
    const info = model.nodes.get(name);
    if (!nodePasses(info, filters)) continue;
    const old = isOld(info?.status);
    for (const [fullId, reading] of own) {
      if (chosen !== null && !chosen?.has(fullId)) continue;
      let units = found.get(fullId);
      if (units === undefined) found.set(fullId, (units = new Map()));
      count(groupIn(units, fullId, reading, keys), reading, old);
    }
  }
  const matches = matcher(words(query));
  const { type } = filters;
  return [...found.values()]
    .flatMap((units) => [...units.values()])
    .filter(
      ({ fullId, unit }) =>
        (!type || fullId === type || fullId.startsWith(`${type}:`)) && matches([fullId, unit]),
    );
}

export interface Summary {
  count: number;
  min: number;
  median: number;
  mean: number;
  max: number;
  range: number;
  /** The usual distance from the median, as large as a standard deviation would be; 0: nothing stands out. */
  spread: number;
}

function middle(sorted: Float64Array): number {
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : sorted[half - 1]! / 2 + sorted[half]! / 2;
}

/** With fewer nodes nobody can say who is the odd one. */
const FEWEST = 4;
/** Where most values are equal, a difference of less than this part of them is none. */
const SLIGHT = 0.01;
/** How many spreads away stands out; for the median's absolute deviation it is the usual 3.5. */
const FAR = 3.5;

/** null without numbers. */
export function summary(numbers: readonly number[]): Summary | null {
  if (numbers.length === 0) return null;
  const sorted = Float64Array.from(numbers).sort();
  const median = middle(sorted);
  const away = sorted.map((value) => Math.abs(value - median));
  // Half of the values may be anything without moving these. When more than half are equal, the mean deviation.
  let spread = middle(away.slice().sort()) * 1.4826;
  if (spread === 0) {
    const mean = away.reduce((sum, one) => sum + one / away.length, 0);
    if (away.some((one) => one > SLIGHT * Math.abs(median))) spread = mean * 1.2533;
  }
  return {
    count: sorted.length,
    min: sorted[0]!,
    median,
    mean: sorted.reduce((sum, one) => sum + one / sorted.length, 0),
    max: sorted.at(-1)!,
    range: sorted.at(-1)! - sorted[0]!,
    spread: sorted.length < FEWEST ? 0 : spread,
  };
}

export type Stand = 'high' | 'low' | '';

export function stand(number: number | null, of: Summary | null): Stand {
  if (number === null || of === null || of.spread === 0) return '';
  const far = (number - of.median) / of.spread;
  return far > FAR ? 'high' : far < -FAR ? 'low' : '';
}

/** Rows are sorted anew from time to time: numbers first, what has none last, in both directions. */
export function sortGroups(list: readonly Group[], sort: Sort | null): Group[] {
  const byName = (a: Group, b: Group): number => compareNames(a.fullId, b.fullId) || compareNames(a.unit, b.unit);
  const { key, descending } = sort ?? { key: 'source', descending: false };
  const direction = descending ? -1 : 1;
  if (!['nodes', 'min', 'mean', 'max'].includes(key)) return [...list].sort((a, b) => direction * byName(a, b));
  const of = new Map(
    list.map((group) => [
      group,
      key === 'nodes' ? group.nodes : (summary(group.numbers)?.[key as 'min' | 'mean' | 'max'] ?? null),
    ]),
  );
  return [...list].sort((a, b) => numbersFirst(of.get(a)!, of.get(b)!, direction) || byName(a, b));
}

function numbersFirst(a: number | null, b: number | null, direction: number): number {
  if (a === null || b === null) return (a === null ? 1 : 0) - (b === null ? 1 : 0);
  return direction * (a - b);
}

/** One node's value of the source that is compared. */
export interface Compared {
  readonly key: string;
  readonly node: ClusterNode | undefined;
  readonly reading: Reading;
  readonly old: boolean;
  readonly number: number | null;
  readonly stand: Stand;
}

export interface Comparison {
  /** The source with each of its units, most nodes first; the first is compared if none was chosen. */
  readonly units: readonly Group[];
  readonly unit: string;
  readonly summary: Summary | null;
  readonly words: readonly [word: string, nodes: number][];
  readonly old: number;
  /** By node. */
  readonly rows: readonly Compared[];
}

export function compare(model: Model, fullId: string, wanted: string | undefined, filters: Filters): Comparison {
  const found = new Map<string, Group>();
  const own: [string, Reading][] = [];
  for (const name of nodeNames(model)) {
    const reading = model.readings.get(name)?.get(fullId);
    const node = model.nodes.get(name);
    if (reading === undefined || !nodePasses(node, filters)) continue;
    const group = groupIn(found, fullId, reading);
    count(group, reading, isOld(node?.status));
    own.push([group.unit, reading]);
  }
  const units = [...found.values()].sort((a, b) => b.nodes - a.nodes || compareNames(a.unit, b.unit));
  const unit = wanted === undefined ? (units[0]?.unit ?? '') : unitKey(wanted === '-' ? '' : wanted);
  const group = found.get(unit);
  const all = summary(group?.numbers ?? []);
  return {
    units,
    unit,
    summary: all,
    words: [...(group?.words ?? [])].sort((a, b) => b[1] - a[1] || compareNames(a[0], b[0])),
    old: group?.old ?? 0,
    rows: own.flatMap(([its, reading]) => {
      if (its !== unit) return [];
      const node = model.nodes.get(reading.node);
      const old = isOld(node?.status);
      const number = numberIn(reading, unit);
      return { key: reading.node, node, reading, old, number, stand: old ? '' : stand(number, all) };
    }),
  };
}

/** `first` (a chosen node) stands first whatever the order. */
export function sortCompared(rows: readonly Compared[], sort: Sort | null, first: string | null): Compared[] {
  const direction = sort?.descending ? -1 : 1;
  const age = (row: Compared): number | null => {
    const at = Date.parse(confirmedAt(row.node) ?? row.reading.at ?? '');
    return Number.isNaN(at) ? null : -at;
  };
  const key = sort?.key;
  const sorted = rows.map((row, place) => ({ row, place, by: key === 'age' ? age(row) : row.number }));
  sorted.sort((a, b) => {
    const chosen = (b.row.key === first ? 1 : 0) - (a.row.key === first ? 1 : 0);
    if (chosen !== 0) return chosen;
    if (key !== 'age' && key !== 'value') return direction * (a.place - b.place);
    const words = a.by === null && b.by === null ? direction * compareNames(wordOf(a.row), wordOf(b.row)) : 0;
    return numbersFirst(a.by, b.by, direction) || words || a.place - b.place;
  });
  return sorted.map(({ row }) => row);
}

function wordOf({ reading }: Compared): string {
  return shown(reading.value, reading.unit).text;
}
