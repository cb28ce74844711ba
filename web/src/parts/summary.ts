// What is made of the whole cluster is made now and then, not ten times a second.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';
import type { Model } from '../state';
import { model } from '../store';

interface Made<T> {
  of: Model;
  question: string;
  at: number;
  result: T;
}

/** Does what lies between the two consist of changes only? */
function samePicture(a: Model, b: Model): boolean {
  return a.snapshots === b.snapshots && a.loaded === b.loaded && a.partial === b.partial;
}

/** Made anew at once when the question or the snapshot is another one, else at most once in `ms`. */
export function useSummary<T>(make: (model: Model) => T, question: string, ms: number): T {
  const made = useRef<Made<T> | null>(null);
  const [, again] = useState(0);
  const now = model.peek();
  const last = made.current;
  const due =
    last === null ||
    last.question !== question ||
    !samePicture(last.of, now) ||
    (last.of !== now && performance.now() >= last.at + ms);
  if (due) made.current = { of: now, question, at: performance.now(), result: make(now) };
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = model.subscribe((next) => {
      const { of, at } = made.current!;
      if (next === of) return;
      if (!samePicture(next, of)) again((count) => count + 1);
      timer ??= setTimeout(
        () => {
          timer = undefined;
          again((count) => count + 1);
        },
        Math.max(0, Math.ceil(at + ms - performance.now())),
      );
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [ms]);
  return made.current!.result;
}

/** Does somebody point at a row, or work in it? Then rows stay where they are. */
export function isHeld(body: HTMLElement | null): boolean {
  return body !== null && (body.matches(':hover') || body.contains(document.activeElement));
}

/** The rows in the order that they had, while they are held and the question is the same. */
export function useHeld<T extends { key: string }>(
  body: RefObject<HTMLElement | null>,
  rows: readonly T[],
  question: string,
): readonly T[] {
  const kept = useRef<{ rows: readonly T[]; question: string }>({ rows, question });
  const last = kept.current;
  let next = rows;
  if (last.rows !== rows && last.question === question && isHeld(body.current)) {
    const places = new Map(last.rows.map((row, place) => [row.key, place]));
    next = [...rows].sort((a, b) => (places.get(a.key) ?? Infinity) - (places.get(b.key) ?? Infinity) || 0);
  }
  kept.current = { rows: next, question };
  return next;
}
