// What a list of items asks llamad for, and what comes into it while one reads.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Arrivals } from '../arrivals';
import { MOST, STEP, askPath, isPlain } from '../ask';
import type { Question } from '../ask';
import { HttpError, listOf } from '../feed';
import type { Item } from '../select';
import { dispatch, model, ports, serverNow } from '../store';

const TYPING_MS = 300;
const ASK_MS = 10_000;
/** Further down than this nothing new comes in above. */
const TOP_PX = 40;

interface Coming {
  rows: readonly Item[];
  /** How many are held back. */
  held: number;
  arrivals: Arrivals;
  release: () => void;
}

export function useArrivals(items: readonly Item[], asked: string, ready: boolean): Coming {
  const arrivals = useRef(new Arrivals()).current;
  const [released, again] = useState(0);
  const rows = useMemo(() => {
    if (ready) arrivals.look(items, asked, model.peek().nodes, serverNow.peek(), scrollY > TOP_PX);
    return arrivals.shown(items);
  }, [items, asked, ready, released]);
  const held = items.length - rows.length;
  const show = (): void => {
    arrivals.release(serverNow.peek());
    again((times) => times + 1);
  };
  useEffect(() => {
    if (held === 0) return undefined;
    const look = (): void => {
      if (scrollY <= TOP_PX) show();
    };
    addEventListener('scroll', look, { passive: true });
    return () => removeEventListener('scroll', look);
  }, [held > 0]);
  const release = (): void => {
    show();
    scrollTo(0, 0);
  };
  return { rows, held, arrivals, release };
}

interface Asked {
  waiting: boolean;
  /** '' while all is well. */
  error: string;
  /** llamad gave as many as it was asked for: it may hold more. */
  full: boolean;
  again: () => void;
  more: () => void;
}

/** Every page is sent the newest items; whatever else the question needs is asked for and joins the model. */
export function useAsk(question: Question, asked: string, arrivals: Arrivals): Asked {
  const [wish, setWish] = useState({ asked, limit: STEP });
  const [tries, again] = useState(0);
  const [answer, setAnswer] = useState({ to: '', full: false, error: '' });
  const limit = wish.asked === asked ? wish.limit : STEP;
  const { loaded, partial, snapshots, nodes } = model.value;
  const plainly = limit === STEP && isPlain(question);
  const ready = loaded && !partial && !plainly && (question.node === null || nodes.has(question.node));
  // Another snapshot brings only the newest again.
  const to = ready ? `${asked} ${limit} ${snapshots} ${tries}` : '';
  useEffect(() => {
    if (to === '') return undefined;
    const abort = new AbortController();
    let over = false;
    const put = async (): Promise<void> => {
      timer = setTimeout(() => abort.abort(), ASK_MS);
      let full = false;
      let error = '';
      try {
        const { kind } = question;
        const items = listOf<Item>(await ports.get(askPath(question, limit), abort.signal), kind);
        if (over) return;
        full = items.length >= limit && limit < MOST;
        arrivals.know(items);
        dispatch({ type: 'items', observations: [], memories: [], [kind]: items });
      } catch (problem) {
        error = problem instanceof HttpError ? problem.message : String(problem);
      }
      clearTimeout(timer);
      // After the paint that shows the items.
      requestAnimationFrame(() => over || setAnswer({ to, full, error }));
    };
    let timer = setTimeout(() => void put(), TYPING_MS);
    return () => {
      over = true;
      clearTimeout(timer);
      abort.abort();
    };
  }, [to]);
  return {
    waiting: to !== answer.to && to !== '',
    error: to === answer.to ? answer.error : '',
    full: plainly ? model.value[question.kind].size >= STEP : answer.full,
    again: () => again(tries + 1),
    more: () => setWish({ asked, limit: Math.min(MOST, limit < 2 * STEP ? 2 * STEP : 2 * limit) }),
  };
}
