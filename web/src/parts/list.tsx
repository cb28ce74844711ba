// What every list has: a heading with its count, a search, an end that can be pushed on, and words for
// emptiness.
import { useEffect, useState } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import { count } from '../format';
import { here, model, search } from '../store';
import { Magnifier } from './magnifier';

interface HeadProps {
  title: string;
  shown: number;
  /** How many there would be without the search. */
  total?: string;
  placeholder: string;
  /** What narrows the list, before its search. */
  children?: ComponentChildren;
  /** What is done with the whole list, after it. */
  end?: ComponentChildren;
}

export function ListHead({ title, shown, total, placeholder, children, end }: HeadProps): JSX.Element {
  return (
    <div class="list-head">
      <h2>
        {title} <span class="count num">{count(shown)}</span>
      </h2>
      {total && <span class="muted">{total}</span>}
      {children}
      <label class="search">
        <span class="sr">Search {title.toLowerCase()}</span>
        <Magnifier />
        <input
          type="search"
          value={here.value.query}
          placeholder={placeholder}
          spellcheck={false}
          autocomplete="off"
          onInput={(event) => search(event.currentTarget.value)}
        />
      </label>
      {end}
    </div>
  );
}

/** How many rows are shown, and the button for more; back to the start when the list becomes another one. */
export function useMore(
  step: number,
  key: string,
): { most: number; more: (total: number, what: string) => JSX.Element | null } {
  const [most, setMost] = useState(step);
  const [end, setEnd] = useState<HTMLElement | null>(null);
  useEffect(() => setMost(step), [key, step]);
  // Who scrolls near the end need not press anything. Looked at anew after each step: it may still be in sight.
  useEffect(() => {
    if (end === null) return undefined;
    // Several looks may come at once: the last one holds.
    const watch = new IntersectionObserver(
      (looks) => looks.at(-1)!.isIntersecting && setMost((now) => now + step),
      { rootMargin: '600px' },
    );
    watch.observe(end);
    return () => watch.disconnect();
  }, [end, most, step]);
  const more = (total: number, what: string): JSX.Element | null => {
    if (total <= most) return null;
    return (
      <p class="more" ref={setEnd}>
        <button type="button" class="button" onClick={() => setMost(most + step)}>
          Show {count(Math.min(step, total - most))} more
        </button>
        <span class="muted">
          {count(most)} of {count(total)} {what}
        </span>
      </p>
    );
  };
  return { most, more };
}

/** What makes a list another list. */
export function listKey(): string {
  return JSON.stringify(here.value);
}

/** Why there is nothing to see. */
export function Nothing({ children }: { children: ComponentChildren }): JSX.Element {
  const { node, query, filters } = here.value;
  if (!model.value.loaded)
    return (
      <p class="nothing" aria-busy="true">
        Waiting for the first answer…
      </p>
    );
  if (node !== null && !model.value.nodes.has(node))
    return <p class="nothing">There is no node of this name.</p>;
  if (query !== '') return <p class="nothing">Nothing matches the search.</p>;
  if (Object.keys(filters).length > 0) return <p class="nothing">Nothing is left by the filters.</p>;
  return <p class="nothing">{children}</p>;
}
