// Which readings a table shows, and in which order. Pure, and made for twenty thousand rows: a row is a light
// reference that stays the same object while its reading lives, so values can change without a new order.
import { shown, asText, parseTime } from './format';
import { ExactNumber } from './json';
import { compareNames, confirmedAt, matcher, nodeNames, sourceLabel, words } from './select';
import type { Model } from './state';
import type { Filters, Sort } from './route';
import { STATUSES } from './wire';
import type { ClusterNode, Reading } from './wire';

export interface RowRef {
  readonly key: string;
  readonly node: string;
  readonly fullId: string;
}

export interface ReadingQuestion {
  node: string | null;
  query: string;
  filters: Filters;
  sort: Sort | null;
}

/** `source_type` of `source_type:source_id`. */
export function sourceType(fullId: string): string {
  const at = fullId.indexOf(':');
  return at < 0 ? fullId : fullId.slice(0, at);
}

/** Does a node pass the filters that are about nodes? `label` is `key:value`, or a key alone. */
export function nodePasses(node: ClusterNode | undefined, filters: Filters): boolean {
  const { state, label } = filters;
  if (state && (node?.status ?? 'unknown') !== state) return false;
  if (!label) return true;
  const at = label.indexOf(':');
  const labels = node?.labels;
  const key = at < 0 ? label : label.slice(0, at);
  if (!labels || !Object.prototype.hasOwnProperty.call(labels, key)) return false;
  return at < 0 || asText(labels[key]) === label.slice(at + 1);
}

/** A drop-down of more serves nobody. */
const CHOICES = 500;

/** What the filters can be set to: what exists, in order. */
export interface Choices {
  type: readonly string[];
  label: readonly string[];
  state: readonly string[];
}

export function choices(model: Model): Choices {
  const fullIds = new Set<string>();
  for (const own of model.readings.values()) for (const fullId of own.keys()) fullIds.add(fullId);
  const types = new Set(Array.from(fullIds, sourceType));
  const labels = new Set<string>();
  const states = new Set<string>();
  for (const { labels: own, status } of model.nodes.values()) {
    states.add(status);
    for (const [key, value] of Object.entries(own ?? {})) labels.add(`${key}:${asText(value)}`);
  }
  return {
    type: [...types].slice(0, CHOICES).sort(compareNames),
    label: [...labels].slice(0, CHOICES).sort(compareNames),
    state: STATUSES.filter((status) => states.has(status)),
  };
}

/** May the order move although no reading came or went? Then it is worth asking again now and then. */
export function movesWithValues({ query, filters, sort }: ReadingQuestion): boolean {
  return query !== '' || !!filters.state || sort?.key === 'value' || sort?.key === 'age';
}

/** Keeps the rows of all readings by node and source, and picks and sorts from them. */
export class ReadingIndex {
  private shape = -1;
  private all: readonly RowRef[] = [];
  private byNode = new Map<string, readonly RowRef[]>();
  private collated = new Map<string, number>();

  /** How many there are before anything narrows them. */
  get total(): number {
    return this.all.length;
  }

  rows(model: Model, question: ReadingQuestion): readonly RowRef[] {
    this.follow(model);
    const from = question.node === null ? this.all : (this.byNode.get(question.node) ?? []);
    const picked = pick(model, question, from);
    return question.sort === null ? picked : this.sorted(model, picked, question.sort);
  }

  /** All rows in their own order: by node, then by source. */
  private follow(model: Model): void {
    if (this.shape === model.shape) return;
    this.shape = model.shape;
    const names = [...nodeNames(model)];
    const strangers = [...model.readings.keys()].filter((name) => !model.nodes.has(name));
    if (strangers.length > 0) names.push(...strangers.sort(compareNames));
    const before = this.byNode;
    this.byNode = new Map();
    for (const name of names) {
      const own = model.readings.get(name);
      if (own !== undefined) this.byNode.set(name, followNode(name, own, before.get(name) ?? []));
    }
    this.all = [...this.byNode.values()].flat();
  }

  /** Ties stay in their own order. Sorts numbers: names were put in order once. */
  private sorted(model: Model, rows: readonly RowRef[], sort: Sort): readonly RowRef[] {
    const direction = sort.descending ? -1 : 1;
    const keys = this.keys(model, rows, sort.key);
    if (keys === null) return sort.descending ? [...rows].reverse() : rows;
    const order = Uint32Array.from(rows, (_, index) => index);
    const { numbers, texts } = keys;
    order.sort((a, b) => {
      const difference = numbers[a]! - numbers[b]!;
      const textual = difference === 0 && texts[a] !== texts[b] ? compareNames(texts[a] ?? '', texts[b] ?? '') : 0;
      return direction * (difference || textual) || a - b;
    });
    return Array.from(order, (index) => rows[index]!);
  }

  /** What to sort by; null for the rows' own order. */
  private keys(model: Model, rows: readonly RowRef[], key: string): Keys | null {
    switch (key) {
      case 'source':
        return { numbers: this.ranks(rows), texts: [] };
      case 'age':
        return { numbers: ages(model, rows), texts: [] };
      case 'value':
        return values(model, rows);
      default:
        return null;
    }
  }

  private ranks(rows: readonly RowRef[]): Float64Array {
    const ids = new Set(rows.map((row) => row.fullId));
    if ([...ids].some((id) => !this.collated.has(id)))
      this.collated = new Map([...ids].sort(compareNames).map((id, rank) => [id, rank]));
    return Float64Array.from(rows, (row) => this.collated.get(row.fullId)!);
  }
}

interface Keys {
  numbers: Float64Array;
  texts: readonly (string | undefined)[];
}

/** The node's rows by source; the very same list while it has the same sources. */
function followNode(
  node: string,
  own: ReadonlyMap<string, Reading>,
  before: readonly RowRef[],
): readonly RowRef[] {
  if (before.length === own.size && before.every((row) => own.has(row.fullId))) return before;
  const known = new Map(before.map((row) => [row.fullId, row]));
  return [...own.keys()]
    .sort(compareNames)
    .map((fullId) => known.get(fullId) ?? { key: `${node}\u0000${fullId}`, node, fullId });
}

function pick(model: Model, { query, filters }: ReadingQuestion, rows: readonly RowRef[]): readonly RowRef[] {
  const wanted = words(query);
  const { type } = filters;
  if (wanted.length === 0 && !type && !filters.state && !filters.label) return rows;
  const matches = matcher(wanted);
  const passes = new Map<string, boolean>();
  return rows.filter((row) => {
    let ok = passes.get(row.node);
    if (ok === undefined) passes.set(row.node, (ok = nodePasses(model.nodes.get(row.node), filters)));
    if (!ok || (type && sourceType(row.fullId) !== type)) return false;
    if (wanted.length === 0) return true;
    const reading = readingOf(model, row);
    if (reading === undefined) return false;
    if (matches([row.node, row.fullId, sourceLabel(reading)])) return true;
    const { text, unit } = shown(reading.value, reading.unit);
    return matches([row.node, row.fullId, sourceLabel(reading), text, unit]);
  });
}

export function readingOf(model: Model, row: RowRef): Reading | undefined {
  return model.readings.get(row.node)?.get(row.fullId);
}

/** When the node last said so: an unchanged reading is as old as the node's last snapshot. */
export function toldAt(model: Model, row: RowRef): string | null {
  return confirmedAt(model.nodes.get(row.node)) ?? readingOf(model, row)?.at ?? null;
}

/** Ascending age is the newest first; what has no time is oldest. */
function ages(model: Model, rows: readonly RowRef[]): Float64Array {
  const known = new Map<string, number>();
  return Float64Array.from(rows, (row) => {
    let age = known.get(row.node);
    if (age === undefined) {
      age = -(parseTime(confirmedAt(model.nodes.get(row.node))) ?? NaN);
      known.set(row.node, age);
    }
    return Number.isNaN(age) ? -(parseTime(readingOf(model, row)?.at) ?? -Infinity) : age;
  });
}

const KINDS = ['number', 'boolean', 'string', 'object', 'none'] as const;
type Kind = (typeof KINDS)[number];

function kindOf(value: unknown): Kind {
  if (value === null || value === undefined) return 'none';
  if (value instanceof ExactNumber) return 'number';
  return typeof value as Kind;
}

/** Numbers, then booleans, texts, JSON, and no value last. */
function values(model: Model, rows: readonly RowRef[]): Keys {
  const texts: (string | undefined)[] = new Array(rows.length);
  const numbers = new Float64Array(rows.length);
  rows.forEach((row, index) => {
    const value = readingOf(model, row)?.value;
    const kind = kindOf(value);
    if (kind === 'number') numbers[index] = Math.max(-1e300, Math.min(1e300, Number(value)));
    else if (kind === 'boolean') numbers[index] = value === true ? 2e300 : 1.5e300;
    else numbers[index] = 1e300 * (2 + KINDS.indexOf(kind));
    if (kind === 'string' || kind === 'object') texts[index] = asText(value);
  });
  return { numbers, texts };
}
