// A table of many rows of which only those in sight (and a screenful on either side) exist. Rows are of one
// height, so where each stands is known without measuring, and a fast scroll meets no blank one.
import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';

/** New rows are made in groups: not at each pixel. */
const GROUP = 8;

export interface Window {
  from: number;
  to: number;
}

/**
 * Which of `count` rows to make, when the first begins at `top` of a page that shows `height` pixels; `spare` more on
 * either side.
 */
export function windowOf(top: number, height: number, rowHeight: number, count: number, spare: number): Window {
  const first = Math.floor(-top / rowHeight) - spare;
  const from = Math.max(0, Math.min(count, Math.floor(first / GROUP) * GROUP));
  const last = Math.ceil((height - top) / rowHeight) + spare;
  return { from, to: Math.max(from, Math.min(count, Math.ceil(last / GROUP) * GROUP)) };
}

/** True while rows fly by: what nobody can read then is left out of new ones. */
export const flying = signal(false);
/** Farther than that from one look to the next, in screens, is flying; so long after the last such step it is over. */
const FLIGHT = 0.4;
const LANDED_MS = 120;
let landing: ReturnType<typeof setTimeout> | undefined;

function fly(): void {
  flying.value = true;
  clearTimeout(landing);
  landing = setTimeout(() => (flying.value = false), LANDED_MS);
}

/** What is out of sight is made a moment after what is in sight. */
const SPARE_LATER_MS = 150;

/** Follows the page's scrolling; `body` is the element that holds the rows and nothing above them. */
export function useWindow(body: RefObject<HTMLElement | null>, count: number, rowHeight: number): Window {
  const [window, setWindow] = useState<Window>(() => windowOf(0, innerHeight, rowHeight, count, 0));
  const [settled, setSettled] = useState(false);
  const now = useRef(window);
  const lastTop = useRef(0);
  now.current = window;
  useLayoutEffect(() => {
    const look = (event?: Event): void => {
      const top = body.current?.getBoundingClientRect().top ?? 0;
      if (event && Math.abs(top - lastTop.current) > FLIGHT * innerHeight) fly();
      lastTop.current = top;
      const spare = settled || event ? Math.ceil(innerHeight / rowHeight) : 0;
      const next = windowOf(top, innerHeight, rowHeight, count, spare);
      if (next.from !== now.current.from || next.to !== now.current.to) setWindow(next);
    };
    look();
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', look);
    };
  }, [count, rowHeight, settled]);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(true), SPARE_LATER_MS);
    return () => clearTimeout(timer);
  }, []);
  return { from: Math.min(window.from, count), to: Math.min(window.to, count) };
}

/**
 * Keeps the row in sight where it is when rows come or go above it. While the first row is in sight the table
 * stays at its top.
 */
export function useAnchor<T>(
  body: RefObject<HTMLElement | null>,
  rows: readonly T[],
  rowHeight: number,
  question: string,
): void {
  const before = useRef<{ rows: readonly T[]; question: string }>({ rows, question });
  useLayoutEffect(() => {
    const old = before.current;
    before.current = { rows, question };
    const top = body.current?.getBoundingClientRect().top ?? 0;
    if (old.rows === rows || old.question !== question || top >= 0) return;
    const at = Math.floor(-top / rowHeight);
    const anchor = old.rows[at];
    const now = anchor === undefined ? -1 : rows.indexOf(anchor);
    if (now >= 0 && now !== at) scrollBy(0, (now - at) * rowHeight);
  }, [rows, question]);
}
