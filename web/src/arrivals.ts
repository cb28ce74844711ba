// What came while one reads: marked as new for a while, and held back while the reader is further down, so
// that nothing moves under the eyes. Pure.
import { parseTime } from './format';
import { byOurClock } from './select';
import type { Item } from './select';
import { MAX_ITEMS, itemKey } from './state';
import type { Model } from './state';

const NEW_MS = 60_000;
/** Agents tell twice a minute of what was noticed: a little older than the list may still be new to it. */
const LATE_MS = 120_000;

export class Arrivals {
  private known = new Set<string>();
  private question: string | null = null;
  private sinceMs = 0;
  private readonly untilMs = new Map<string, number>();
  private held = new Set<string>();

  /** These were asked for: they are no news. */
  know(items: readonly Item[]): void {
    for (const item of items) this.known.add(itemKey(item));
  }

  /** Looks at the list that stands as the answer to a question; `nowMs` is llamad's clock. */
  look(items: readonly Item[], question: string, nodes: Model['nodes'], nowMs: number, hold: boolean): void {
    const first = question !== this.question;
    if (first) {
      this.question = question;
      this.sinceMs = nowMs - LATE_MS;
      this.held.clear();
    }
    if (first || this.known.size > 2 * MAX_ITEMS) this.forget(nowMs);
    else for (const item of items) if (!this.known.has(itemKey(item))) this.arrived(item, nodes, nowMs, hold);
    this.know(items);
  }

  /** A page left open for weeks must not grow. */
  private forget(nowMs: number): void {
    this.known = new Set();
    for (const [key, until] of this.untilMs) if (until < nowMs) this.untilMs.delete(key);
  }

  /** How many keys are held, for whoever watches that they stay few. */
  get size(): number {
    return this.known.size + this.untilMs.size;
  }

  private arrived(item: Item, nodes: Model['nodes'], nowMs: number, hold: boolean): void {
    const ms = parseTime(byOurClock(item.at, nodes.get(item.node)));
    if (ms === null || ms < this.sinceMs) return;
    this.untilMs.set(itemKey(item), nowMs + NEW_MS);
    if (hold) this.held.add(itemKey(item));
  }

  /** Until when the item is marked; 0: it is not. */
  until(item: Item): number {
    return this.untilMs.get(itemKey(item)) ?? 0;
  }

  /** The list without what is held back. */
  shown(items: readonly Item[]): readonly Item[] {
    return this.held.size === 0 ? items : items.filter((item) => !this.held.has(itemKey(item)));
  }

  /** Shows what was held back; it is new from now on. */
  release(nowMs: number): void {
    for (const [key, until] of this.untilMs) if (until < nowMs) this.untilMs.delete(key);
    for (const key of this.held) this.untilMs.set(key, nowMs + NEW_MS);
    this.held.clear();
  }
}
