// Times: relative and ticking, with the exact one on hover.
import { useComputed } from '@preact/signals';
import type { JSX } from 'preact';
import { age, clock, dateTime, exactTime, parseTime } from '../format';
import { serverNow, today } from '../store';

interface AgeProps {
  at: string | null | undefined;
  suffix?: string;
  /** The word for less than a second. */
  now?: string;
}

/** How long ago `at` was; only its own text node is touched when it ticks. */
export function Age({ at, suffix = '', now = 'now' }: AgeProps): JSX.Element {
  const ms = parseTime(at);
  return ms === null ? (
    <span class="muted" title="no readable time">
      –
    </span>
  ) : (
    <Ticking key={ms} ms={ms} suffix={suffix} now={now} />
  );
}

/** Rows of one node stand together and have one time; to write it takes longer than to compare it. */
let last = { ms: NaN, machine: '', exact: '' };
function written(ms: number): typeof last {
  if (last.ms !== ms) last = { ms, machine: new Date(ms).toISOString(), exact: exactTime(ms) };
  return last;
}

function Ticking({ ms, suffix, now }: { ms: number; suffix: string; now: string }): JSX.Element {
  const text = useComputed(() => {
    const words = age(serverNow.value - ms);
    if (words === 'now') return now;
    return words.endsWith('ahead') ? words : words + suffix;
  });
  const { machine, exact } = written(ms);
  return (
    <time class="num age" dateTime={machine} title={exact}>
      {text}
    </time>
  );
}

/** A point in time in local time; only the clock if it was today. */
export function Moment({ at }: { at: string | null }): JSX.Element {
  const ms = parseTime(at);
  if (ms === null) return <span class="muted">no readable time</span>;
  return (
    <time class="num" dateTime={new Date(ms).toISOString()} title={exactTime(ms)}>
      {dateTime(ms).startsWith(today.value) ? clock(ms) : dateTime(ms).slice(0, 16)}
    </time>
  );
}
