// The last hour of readings, for sparklines: asked for in batches when somebody shows them, then carried on
// with what the live feed brings. Whatever comes is kept in half-minute steps with their lowest and highest, so
// an hour is at most 120 of them and no spike is lost.
import type { Model } from './state';

export const STEP_MS = 30_000;
export const SPAN_MS = 3_600_000;
/** Asked for in one request. */
const BATCH = 48;
/** Asked when nothing more was shown for so long: rows that fly by are not worth a question. */
const CALM_MS = 120;
/** Kept when nobody shows them any more. */
const KEPT = 400;
/** A series that nobody showed for as long has missed too much: it is asked for again. */
const STALE_MS = 45_000;
const RETRY_MS = 10_000;
/** An answer that takes longer is given up: meanwhile nothing else is asked. */
const ASK_MS = 10_000;

export interface Step {
  /** Begin of the step: ms since 1970, a multiple of STEP_MS. */
  at: number;
  low: number;
  high: number;
  last: number;
  /** Nothing was told between the step before and this one. */
  gap: boolean;
}

/** Steps of one reading, oldest first. */
export class Series {
  readonly steps: Step[] = [];
  /** Changes whenever the steps do. */
  version = 0;

  /** null (no number) makes a gap. Times that go backwards count as now. */
  add(at: number, value: number | null): void {
    const last = this.steps.at(-1);
    if (value === null) {
      this.broken = true;
      return;
    }
    const step = Math.floor(at / STEP_MS) * STEP_MS;
    if (last !== undefined && step <= last.at) {
      if (value === last.last && !this.broken) return;
      last.low = Math.min(last.low, value);
      last.high = Math.max(last.high, value);
      last.last = value;
    } else {
      this.steps.push({ at: step, low: value, high: value, last: value, gap: this.broken && last !== undefined });
      while (this.steps.length > 0 && this.steps[0]!.at < step - SPAN_MS) this.steps.shift();
    }
    this.broken = false;
    this.version++;
  }

  clear(): void {
    this.steps.length = 0;
    this.broken = false;
    this.version++;
  }

  private broken = false;
}

export interface SeriesPorts {
  get(path: string, signal: AbortSignal): Promise<unknown>;
  now(): number;
  after(ms: number, run: () => void): unknown;
}

interface Entry {
  node: string;
  fullId: string;
  series: Series;
  /** How many show it. */
  shown: number;
  askedAt: number;
  /** When nobody showed it any more. */
  leftAt: number;
  state: 'new' | 'asked' | 'there';
  /** The reading that was added last. */
  reading: object | undefined;
}

export class SeriesStore {
  private readonly entries = new Map<string, Entry>();
  private waiting = false;
  private busy = false;
  private shownAt = 0;

  constructor(
    private readonly ports: SeriesPorts,
    /** Something was added out of turn: show it. */
    private readonly changed: () => void,
  ) {}

  /** Somebody shows it from now on. */
  show(node: string, fullId: string): Series {
    const key = `${node}\u0000${fullId}`;
    let entry = this.entries.get(key);
    if (entry === undefined) {
      const series = new Series();
      entry = { node, fullId, series, shown: 0, askedAt: 0, leftAt: 0, state: 'new', reading: undefined };
      this.entries.set(key, entry);
    } else if (entry.shown === 0 && this.ports.now() - entry.leftAt > STALE_MS) entry.state = 'new';
    entry.shown++;
    if (entry.state === 'new') {
      this.shownAt = this.ports.now();
      this.askSoon();
    }
    return entry.series;
  }

  hide(node: string, fullId: string): void {
    const key = `${node}\u0000${fullId}`;
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    entry.shown--;
    if (entry.shown > 0) return;
    entry.leftAt = this.ports.now();
    // Moves to the end: the first in the map are those that nobody showed for longest.
    this.entries.delete(key);
    this.entries.set(key, entry);
    if (this.entries.size > 2 * KEPT) this.sweep();
  }

  /** Carries on whatever is shown; `at` is llamad's clock. */
  follow(model: Model, at: number): void {
    for (const entry of this.entries.values()) {
      if (entry.shown === 0 || entry.state !== 'there') continue;
      const reading = model.readings.get(entry.node)?.get(entry.fullId);
      if (reading === entry.reading || reading === undefined) continue;
      entry.reading = reading;
      entry.series.add(at, numberOf(reading.value));
    }
  }

  /** What was learned before may have holes: after a reconnect everything is asked for again. */
  renew(): void {
    for (const [key, entry] of this.entries) {
      if (entry.shown === 0) this.entries.delete(key);
      else entry.state = 'new';
    }
    this.askSoon();
  }

  private sweep(): void {
    let spare = this.entries.size - KEPT;
    for (const [key, entry] of this.entries) {
      if (spare <= 0) return;
      if (entry.shown > 0) continue;
      this.entries.delete(key);
      spare--;
    }
  }

  private askSoon(): void {
    if (this.waiting || this.busy) return;
    this.waiting = true;
    this.ports.after(CALM_MS, () => {
      this.waiting = false;
      if (this.ports.now() - this.shownAt < CALM_MS) this.askSoon();
      else void this.ask();
    });
  }

  private async ask(): Promise<void> {
    const wanted = [...this.entries.values()].filter((entry) => entry.shown > 0 && entry.state === 'new');
    const batch = wanted.slice(0, BATCH);
    if (batch.length === 0 || this.busy) return;
    this.busy = true;
    for (const entry of batch) entry.state = 'asked';
    const abort = new AbortController();
    this.ports.after(ASK_MS, () => abort.abort());
    const names = batch.map(({ node, fullId }) => `series=${encodeURIComponent(`${node}/${fullId}`)}`);
    try {
      const answer = await this.ports.get(`history?points=120&${names.join('&')}`, abort.signal);
      const list = (answer as { series?: unknown }).series;
      batch.forEach((entry, index) => take(entry, Array.isArray(list) ? list[index] : undefined));
      this.changed();
    } catch {
      // The connection's own sign tells of it; what is shown goes on from here.
      for (const entry of batch) entry.state = 'there';
      this.ports.after(RETRY_MS, () => {
        for (const entry of batch) if (entry.shown > 0 && entry.series.steps.length === 0) entry.state = 'new';
        this.askSoon();
      });
    } finally {
      this.busy = false;
    }
    if (wanted.length > batch.length) this.askSoon();
  }
}

export function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function take(entry: Entry, answer: unknown): void {
  entry.state = 'there';
  const points = (answer as { points?: unknown } | undefined)?.points;
  if (!Array.isArray(points)) return;
  entry.series.clear();
  for (const point of points as [number, number | null][]) entry.series.add(point[0], point[1]);
}

/**
 * The same as points for a chart: each step's lowest, highest and last. The last value stands until its node last
 * confirmed it.
 */
export function stepPoints(steps: readonly Step[], confirmed: number): [ms: number, value: number | null][] {
  const points: [number, number | null][] = [];
  for (const { at, low, high, last, gap } of steps) {
    if (gap) points.push([at - 1, null]);
    points.push([at, low]);
    if (high !== low) points.push([at + STEP_MS / 3, high]);
    if (last !== high) points.push([at + (STEP_MS * 2) / 3, last]);
  }
  const newest = steps.at(-1);
  if (newest !== undefined && confirmed > newest.at + STEP_MS) points.push([confirmed, newest.last]);
  return points;
}

/**
 * The path of a sparkline in a box whose right end is now; '' where there is nothing to draw. A step is drawn from
 * its lowest to its highest, and the last value stands until its node last confirmed it.
 */
export function sparkPath(
  steps: readonly Step[],
  width: number,
  height: number,
  now: number,
  confirmed: number,
): string {
  const newest = steps.at(-1);
  if (newest === undefined || (steps.length < 2 && confirmed - newest.at < STEP_MS)) return '';
  let low = Infinity;
  let high = -Infinity;
  for (const step of steps) {
    low = Math.min(low, step.low);
    high = Math.max(high, step.high);
  }
  const end = Math.max(now, newest.at);
  const x = (at: number): number => width * (1 - Math.min(1, (end - at) / SPAN_MS));
  const y = (value: number): number => (high === low ? height / 2 : height - (height * (value - low)) / (high - low));
  const round = (value: number): number => Math.round(value * 10) / 10;
  let path = '';
  for (const step of steps) {
    const at = round(x(step.at));
    const first = path === '' || step.gap ? 'M' : 'L';
    path += `${first}${at} ${round(y(step.low))}`;
    if (step.high !== step.low) path += `L${at} ${round(y(step.high))}`;
    if (step.last !== step.high) path += `L${at} ${round(y(step.last))}`;
  }
  return confirmed > newest.at ? `${path}H${round(x(Math.min(confirmed, end)))}` : path;
}
