// What a chart says of its lines in words, and the range it shows them in. Pure.

export type Point = readonly [ms: number, value: number | null];

export interface Line {
  readonly label: string;
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
}

/** null where there is no number. */
export function extent(lines: readonly Line[]): Extent | null {
  const found: Extent = { low: Infinity, high: -Infinity, lowLabel: '', highLabel: '', last: null };
  for (const { label, points } of lines)
    for (const [, value] of points) {
      if (value === null) continue;
      if (value < found.low) [found.low, found.lowLabel] = [value, label];
      if (value > found.high) [found.high, found.highLabel] = [value, label];
    }
  for (const [, value] of lines[0]?.points ?? []) found.last = value ?? found.last;
  return found.high < found.low ? null : found;
}

/** Some room on both sides; a value that never moves stands in the middle of a range as wide as it is large. */
export function range(low: number, high: number): [number, number] {
  const spare = high > low ? (high - low) * 0.08 : Math.abs(high) * 0.1 || 1;
  return [low - spare, high + spare];
}

/** The value that held at `index`: the last one told, none within a gap. */
export function valueAt(values: ArrayLike<number | null | undefined>, index: number): number | null {
  for (let i = index; i >= 0; i--) {
    const value = values[i];
    if (value !== undefined) return value;
  }
  return null;
}
