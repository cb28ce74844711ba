// The search of the nodes themselves: what they find is a result of its own, with how it went with each of them.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { deepPath, readFound } from '../ask';
import type { Found, Outcome, Question } from '../ask';
import { HttpError } from '../feed';
import { count } from '../format';
import { sortItems } from '../select';
import { model, ports, serverNow, tick } from '../store';
import { NodeName } from './state';
import { Text } from './text';

/** llamad takes 20 s at most. */
const DEEP_MS = 30_000;
/** More outcomes than these are folded. */
const FEW = 12;

export interface Deep {
  /** Since when it is under way, by our clock. */
  asking: number | null;
  found: Found | null;
  error: string;
  /** When a refused question may be put again, by our clock. */
  retryAt: number;
  put: () => void;
  close: () => void;
}

const NO_DEEP = { asking: null, found: null, error: '', retryAt: 0 };

export function useDeep(question: Question, asked: string): Deep {
  const [deep, setDeep] = useState<Omit<Deep, 'put' | 'close'>>(NO_DEEP);
  const running = useRef<AbortController | null>(null);
  const close = (): void => {
    running.current?.abort();
    running.current = null;
    setDeep(NO_DEEP);
  };
  useEffect(() => close, [asked]);
  const put = async (): Promise<void> => {
    close();
    const abort = (running.current = new AbortController());
    const timer = setTimeout(() => abort.abort(), DEEP_MS);
    setDeep({ ...NO_DEEP, asking: ports.now() });
    let next = NO_DEEP as typeof deep;
    try {
      next = { ...next, found: findings(await ports.get(deepPath(question), abort.signal), question) };
    } catch (problem) {
      const { message, retryAfterS } = problem instanceof HttpError ? problem : new HttpError(0, String(problem));
      next = { ...next, error: message, retryAt: retryAfterS && ports.now() + retryAfterS * 1000 };
    }
    clearTimeout(timer);
    if (running.current === abort) setDeep(next);
  };
  return { ...deep, put: () => void put(), close };
}

/** llamad keeps memories to no window of time: that is done here. */
function findings(answer: unknown, { kind, hours }: Question): Found {
  const found = readFound(answer, kind);
  const since = hours && new Date(serverNow.peek() - hours * 3_600_000).toISOString();
  const items = found.items.filter((item) => !since || (item.at ?? '') >= since);
  return { ...found, items: sortItems(items, kind, model.peek().nodes) };
}

export function DeepState({ deep, where }: { deep: Deep; where: string }): JSX.Element | null {
  const { asking, found, error, retryAt, put, close } = deep;
  const button = (words: string, act: () => void): JSX.Element => (
    <button type="button" class="button" onClick={act}>
      {words}
    </button>
  );
  if (asking !== null)
    return (
      <div class="note" role="status">
        <span>
          Asking {where} <Seconds since={asking} />
        </span>
        {button('Cancel', close)}
      </div>
    );
  if (error !== '')
    return (
      <div class="note bad" role="alert">
        {retryAt > 0 ? <Countdown until={retryAt} /> : <span>The search of {where} failed: {error}.</span>}
        {button('Try again', put)}
        {button('Close', close)}
      </div>
    );
  if (found === null) return null;
  const on = new Set(found.items.map((item) => item.node)).size;
  const asked = found.outcomes.reduce((sum, { nodes }) => sum + nodes.length, 0);
  const answered = found.outcomes.find(({ kind }) => kind === 'ok')?.nodes.length ?? 0;
  return (
    <div class="note found">
      <h3 aria-live="polite">
        {count(found.items.length)} found on {count(on)} {on === 1 ? 'node' : 'nodes'}
      </h3>
      {button('Back to the list', close)}
      <details open={asked <= FEW}>
        <summary>
          {count(answered)} of {count(asked)} {asked === 1 ? 'node' : 'nodes'} answered
          {found.cut && '; the answer was too large and was cut'}
        </summary>
        <Outcomes outcomes={found.outcomes} />
      </details>
    </div>
  );
}

function Outcomes({ outcomes }: { outcomes: readonly Outcome[] }): JSX.Element {
  return (
    <dl class="outcomes">
      {outcomes.map(({ words, kind, nodes }) => (
        <div key={words} class={kind}>
          <dt>
            <Text value={words} />
          </dt>
          <dd>
            {nodes.map((name) => (
              <NodeName key={name} name={name} node={model.peek().nodes.get(name)} />
            ))}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Seconds({ since }: { since: number }): JSX.Element {
  return <span class="num">{Math.max(0, Math.floor((tick.value - since) / 1000))} s…</span>;
}

function Countdown({ until }: { until: number }): JSX.Element {
  const left = Math.ceil((until - tick.value) / 1000);
  return (
    <span>
      The nodes are asked six times a minute at most: {left > 0 ? `again in ${left} s.` : 'now they may be asked again.'}
    </span>
  );
}
