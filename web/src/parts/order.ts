// When a table's order is made anew: at once when its reader asks for another one, soon when rows come or go, and
// only now and then when nothing but values moved – and not while somebody points at a row or works in it.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';
import { ReadingIndex, movesWithValues } from '../order';
import type { ReadingQuestion, RowRef } from '../order';
import { model } from '../store';
import { isHeld } from './summary';

const SHAPE_MS = 300;
const VALUES_MS = 2000;

const index = new ReadingIndex();

interface Order {
  question: string;
  shape: number;
  at: number;
  rows: readonly RowRef[];
}

/** The rows in their order, how many there are without filters, and a text that changes when the reader asks for other ones. */
export function useOrder(
  body: RefObject<HTMLElement | null>,
  question: ReadingQuestion,
): { rows: readonly RowRef[]; total: number; asked: string } {
  const asked = JSON.stringify(question);
  const order = useRef<Order | null>(null);
  const [turn, again] = useState(0);
  const now = performance.now();
  const wait = waitFor(order.current, asked, question, model.value.shape, now, body.current);
  if (wait <= 0) {
    order.current = { question: asked, shape: model.value.shape, at: now, rows: index.rows(model.value, question) };
  }
  const late = wait > 0 && Number.isFinite(wait);
  useEffect(() => {
    if (!late) return undefined;
    const timer = setTimeout(() => again((count) => count + 1), wait);
    return () => clearTimeout(timer);
  }, [late, asked, turn]);
  return { rows: order.current!.rows, total: index.total, asked };
}

/** In ms; 0: now, Infinity: not before something changes. */
function waitFor(
  order: Order | null,
  asked: string,
  question: ReadingQuestion,
  shape: number,
  now: number,
  body: HTMLElement | null,
): number {
  if (order === null || order.question !== asked) return 0;
  if (order.shape !== shape) return order.at + SHAPE_MS - now;
  if (!movesWithValues(question)) return Infinity;
  return isHeld(body) ? Math.max(SHAPE_MS, order.at + VALUES_MS - now) : order.at + VALUES_MS - now;
}
