// Lines over time, drawn as SVG. What the picture tells stands below it in words: the lines with their values (at
// the pointer, else the last ones), the lowest and the highest.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { clock, number, plain, unit as unitWords } from '../format';
import { extent, linePath, range, ticks, timeTicks, valueAt } from '../lines';
import type { Line } from '../lines';
import { Text } from './text';

export type { Line } from '../lines';

interface ChartProps {
  series: readonly Line[];
  unit: unknown;
  /** What is shown, in a few words. */
  label: string;
  height?: number;
}

/** More lines than that share one colour, and only the marked ones and the one pointed at are named. */
const NAMED = 8;
const COLOURS = ['accent', 'info', 'late', 'warn', 'bad', 'ok', 'muted', 'text'];
/** Room for the marks of the axes, in pixels. */
const LEFT = 56;
const BELOW = 24;
/** How near to a line is at it. */
const NEAR = 24;

function colour(lines: readonly Line[], index: number): string {
  if (lines.length <= NAMED) return COLOURS[index]!;
  return lines[index]!.marked ? 'bad' : 'line-strong';
}

export function Chart({ series, unit, label, height = 220 }: ChartProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  /** Where the pointer is, in the picture's pixels. */
  const [pointer, point] = useState<{ x: number; y: number } | null>(null);
  useLayoutEffect(() => {
    const element = box.current!;
    const size = new ResizeObserver(() => setWidth(element.clientWidth));
    size.observe(element);
    return () => size.disconnect();
  }, []);

  const all = extent(series);
  const words = (value: number | null): string =>
    value === null ? 'no value' : `${number(value)} ${plain(unitWords(unit))}`.trim();
  const many = series.length > 1;
  const by = (name: string): string => (many ? ` (${plain(name)})` : '');
  const sum =
    all === null
      ? 'no values'
      : `lowest ${words(all.low)}${by(all.lowLabel)}, highest ${words(all.high)}${by(all.highLabel)}` +
        (many ? '' : `, last ${words(all.last)}`);

  const [low, high] = all === null ? [0, 1] : range(all.low, all.high);
  const end = all?.end ?? 0;
  const begin = all === null ? 0 : Math.min(all.begin, end - 60_000);
  const x = (ms: number): number => LEFT + ((width - LEFT) * (ms - begin)) / (end - begin || 1);
  const y = (value: number): number => (height - BELOW) * (1 - (value - low) / (high - low));
  const at = pointer && all && pointer.x >= LEFT ? begin + ((pointer.x - LEFT) / (width - LEFT)) * (end - begin) : null;
  const values = series.map((line) => (at === null ? (line.points.at(-1)?.[1] ?? null) : valueAt(line.points, at)));
  const near = at === null ? -1 : nearest(values, pointer!.y, y);
  const named = series.map((_, index) => index).filter(
    (index) => series.length <= NAMED || series[index]!.marked || index === near,
  );
  return (
    <figure class="chart">
      <div
        ref={box}
        style={{ height: `${height}px` }}
        role="img"
        aria-label={`${label}: ${sum}`}
        onPointerMove={(event) => point({ x: event.offsetX, y: event.offsetY })}
        onPointerLeave={() => point(null)}
      >
        {width > LEFT && all !== null && (
          <svg width={width} height={height}>
            {ticks(low, high, height / 44).map((value) => (
              <g key={value}>
                <path class="grid" d={`M${LEFT} ${y(value)}H${width}`} />
                <text x={LEFT - 8} y={y(value) + 4} text-anchor="end">
                  {number(value)}
                </text>
              </g>
            ))}
            {timeTicks(begin, end, width / 90).map((ms) => (
              <text key={ms} x={x(ms)} y={height - 6} text-anchor="middle">
                {clock(ms).slice(0, end - begin < 300_000 ? 8 : 5)}
              </text>
            ))}
            {series.map((line, index) => (
              <path
                key={line.label}
                class={`line ${line.old ? 'dashed' : ''}`}
                d={linePath(line.points, x, y)}
                style={{
                  stroke: `var(--${index === near && series.length > NAMED ? 'text' : colour(series, index)})`,
                  strokeWidth: series.length <= NAMED || line.marked || index === near ? 1.6 : 1,
                }}
              />
            ))}
            {at !== null && <path class="grid" d={`M${pointer!.x} 0V${height - BELOW}`} />}
          </svg>
        )}
      </div>
      <figcaption>
        {at !== null && <b class="num">{clock(at)}</b>}
        {(many || at !== null) &&
          named.slice(0, NAMED).map((index) => (
            <span key={series[index]!.label} class="num">
              <i style={{ background: `var(--${colour(series, index)})` }} />
              {many && <Text value={series[index]!.label} />} {words(values[index]!)}
            </span>
          ))}
        {at === null && <span class="muted">{sum}</span>}
      </figcaption>
    </figure>
  );
}

/** The line that is pointed at; -1 if none is near. */
function nearest(values: readonly (number | null)[], at: number, y: (value: number) => number): number {
  let found = -1;
  let least = NEAR;
  values.forEach((value, index) => {
    const distance = value === null ? NEAR : Math.abs(y(value) - at);
    if (distance < least) [least, found] = [distance, index];
  });
  return found;
}
