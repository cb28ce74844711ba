// What a chart shows of its lines: the range, where its axes are marked, the paths, and what it says in words. Pure.

export type Point = readonly [ms: number, value: number | null];

export interface Line {
  readonly label: string;
  /** Oldest first; null where a gap begins. */
  readonly points: readonly Point[];
  /** Its node is silent: drawn dashed. */
  readonly old?: boolean;
  /** Stands out of many. */
  readonly marked?: boolean;
}

export interface Extent {
  low: number;
  high: number;
  lowLabel: string;
  highLabel: string;
  /** The newest value of the first line. */
  last: number | null;
  begin: number;
  end: number;
}

/** null where there is no number. */
export function extent(lines: readonly Line[]): Extent | null {
  const found: Extent = {
    low: Infinity,
    high: -Infinity,
    lowLabel: '',
    highLabel: '',
    last: null,
    begin: Infinity,
    end: -Infinity,
  };
  for (const { label, points } of lines)
    for (const [ms, value] of points) {
      if (value === null) continue;
      if (value < found.low) [found.low, found.lowLabel] = [value, label];
      if (value > found.high) [found.high, found.highLabel] = [value, label];
      found.begin = Math.min(found.begin, ms);
      found.end = Math.max(found.end, ms);
    }
  for (const [, value] of lines[0]?.points ?? []) found.last = value ?? found.last;
  return found.high < found.low ? null : found;
}

/** Some room on both sides; a value that never moves stands in the middle of a range as wide as it is large. */
export function range(low: number, high: number): [number, number] {
  const spare = high > low ? (high - low) * 0.08 : Math.abs(high) * 0.1 || 1;
  return [low - spare, high + spare];
}

/** Round values between low and high, about `most` of them. */
export function ticks(low: number, high: number, most: number): number[] {
  const rough = (high - low) / Math.max(1, most);
  if (!(rough > 0) || !Number.isFinite(rough)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  return multiples(low, high, step);
}

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

/** Round times (by the reader's clock) between begin and end, in ms. */
export function timeTicks(begin: number, end: number, most: number): number[] {
  const rough = (end - begin) / Math.max(1, most) / 1000;
  const step = (STEPS_S.find((seconds) => seconds >= rough) ?? 86400) * 1000;
  const offset = new Date(end).getTimezoneOffset() * 60_000;
  return multiples(begin - offset, end - offset, step).map((ms) => ms + offset);
}

function multiples(low: number, high: number, step: number): number[] {
  // 0.35 / 0.05 is a little less than 7.
  const from = Math.ceil(low / step - 1e-9);
  const count = Math.min(100, Math.max(0, Math.floor(high / step + 1e-9) - from + 1));
  // A multiplication, no sum: 0.1 + 0.2 is no round value.
  return Array.from({ length: count }, (_, i) => Number(((from + i) * step).toPrecision(12)));
}

/** The path of a line; a gap ends it, and the next value begins it anew. A lone value is a dot. */
export function linePath(points: readonly Point[], x: (ms: number) => number, y: (value: number) => number): string {
  const round = (value: number): number => Math.round(value * 10) / 10;
  let path = '';
  let down = false;
  for (const [ms, value] of points) {
    if (value !== null) path += `${down ? 'L' : 'M'}${round(x(ms))} ${round(y(value))}${down ? '' : 'h0'}`;
    down = value !== null;
  }
  return path;
}

/** The value that held at a time: the last one told, none before the first and none within a gap. */
export function valueAt(points: readonly Point[], ms: number): number | null {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle]![0] <= ms) low = middle + 1;
    else high = middle;
  }
  return points[low - 1]?.[1] ?? null;
}
