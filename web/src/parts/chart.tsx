// Lines over time. uPlot draws them; it is loaded when the first chart is shown. What the picture tells stands
// below it in words: the lines with their values (at the pointer, else the last ones), the lowest and the highest.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type uPlot from 'uplot';
import { clock, number, plain, unit as unitWords } from '../format';
import { extent, range, valueAt } from '../lines';
import type { Line } from '../lines';
import { Text } from './text';

export type { Line } from '../lines';

interface ChartProps {
  /** The lines; a new list whenever a point was added. */
  series: readonly Line[];
  unit: unknown;
  /** What is shown, in a few words. */
  label: string;
  height?: number;
}

/** More lines than that share one colour, and only the marked ones and the one pointed at are named. */
const NAMED = 8;
const COLOURS = ['accent', 'info', 'late', 'warn', 'bad', 'ok', 'muted', 'text'];
const DRAW_MS = 1000;

function colour(lines: readonly Line[], index: number): string {
  if (lines.length <= NAMED) return COLOURS[index]!;
  return lines[index]!.marked ? 'bad' : 'line-strong';
}

export function Chart({ series, unit, label, height = 220 }: ChartProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const drawn = useRef({ at: 0, series });
  const newest = useRef(series);
  newest.current = series;
  const [library, setLibrary] = useState<typeof uPlot | 'failed' | null>(null);
  /** What is pointed at: a place in time, and the nearest line. */
  const [pointed, point] = useState<{ index: number; line: number | null } | null>(null);
  // Other lines are another chart, more points are not.
  const lines = JSON.stringify(series.map((line) => [line.label, line.old, line.marked]));

  useEffect(() => {
    let gone = false;
    import('uplot').then(
      (module) => gone || setLibrary(() => module.default),
      () => gone || setLibrary('failed'),
    );
    return () => void (gone = true);
  }, []);

  useEffect(() => {
    if (typeof library !== 'function') return undefined;
    const element = box.current!;
    const made = make(library, element, newest.current, height, point);
    plot.current = made;
    drawn.current = { at: performance.now(), series: newest.current };
    const size = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    size.observe(element);
    // Colours are looked up whenever it draws.
    const again = (): void => made.redraw(false);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', again);
    const theme = new MutationObserver(again);
    theme.observe(document.documentElement, { attributes: true });
    return () => {
      size.disconnect();
      theme.disconnect();
      scheme.removeEventListener('change', again);
      made.destroy();
      plot.current = null;
      point(null);
    };
  }, [library, lines, height]);

  useEffect(() => {
    const chart = plot.current;
    if (chart === null || drawn.current.series === series) return undefined;
    const timer = setTimeout(
      () => {
        drawn.current = { at: performance.now(), series };
        chart.setData(aligned(library as typeof uPlot, series));
      },
      Math.max(0, drawn.current.at + DRAW_MS - performance.now()),
    );
    return () => clearTimeout(timer);
  }, [series, library]);

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
  const data = plot.current?.data;
  const at = pointed && data?.[0]?.[pointed.index];
  const named = series
    .map((line, index) => ({ line, index }))
    .filter(({ line, index }) => series.length <= NAMED || line.marked || index === pointed?.line)
    .slice(0, NAMED);
  return (
    <figure class="chart">
      <div ref={box} class="plot" style={{ height: `${height}px` }} role="img" aria-label={`${label}: ${sum}`}>
        {library === 'failed' && <p class="nothing">The chart could not be loaded. Reload the page to try again.</p>}
      </div>
      <figcaption>
        {at != null && <b class="num">{clock(at)}</b>}
        {(many || at != null) &&
          named.map(({ line, index }) => (
            <span key={line.label} class="num">
              <i style={{ background: `var(--${colour(series, index)})` }} />
              {many && <Text value={line.label} />}{' '}
              {words(at != null && data ? valueAt(data[index + 1]!, pointed!.index) : (line.points.at(-1)?.[1] ?? null))}
            </span>
          ))}
        {at == null && <span class="muted">{sum}</span>}
      </figcaption>
    </figure>
  );
}

function aligned(library: typeof uPlot, lines: readonly Line[]): uPlot.AlignedData {
  const tables = lines.map(({ points }) => [points.map((one) => one[0]), points.map((one) => one[1])]);
  if (tables.length === 1) return tables[0] as uPlot.AlignedData;
  // 2: a gap reaches up to the line's own next value, whatever times the other lines bring in between.
  const gaps = tables.map(() => [2, 2] as uPlot.JoinNullMode[]);
  return tables.length === 0 ? [[]] : library.join(tables as uPlot.AlignedData[], gaps);
}

function make(
  library: typeof uPlot,
  box: HTMLElement,
  lines: readonly Line[],
  height: number,
  point: (at: { index: number; line: number | null } | null) => void,
): uPlot {
  const style = getComputedStyle(document.documentElement);
  const look = (name: string) => (): string => style.getPropertyValue(`--${name}`);
  const few = lines.length <= NAMED;
  let near: number | null = null;
  const axis: uPlot.Axis = {
    stroke: look('muted'),
    grid: { stroke: look('line'), width: 1 },
    ticks: { show: false },
    font: `12px ${getComputedStyle(box).fontFamily}`,
  };
  const told = ({ cursor }: uPlot): void =>
    point(cursor.idx == null ? null : { index: cursor.idx, line: near === null ? null : near - 1 });
  return new library(
    {
      width: box.clientWidth,
      height,
      ms: 1,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: few }, focus: { prox: few ? -1 : 24 } },
      focus: { alpha: 1 },
      scales: {
        x: { range: (_, low, high) => (low < high ? [low, high] : [low - 1_800_000, high + 1]) },
        y: { range: (_, low, high) => (low == null ? [0, 1] : range(low, high)) },
      },
      axes: [
        {
          ...axis,
          size: 28,
          space: 72,
          values: (_, splits, __, ___, step) =>
            splits.map((ms) => clock(ms).slice(0, step < 60_000 ? 8 : 5)),
        },
        {
          ...axis,
          size: (_, values) => 16 + 7 * Math.max(2, ...(values ?? []).map((text) => text.length)),
          values: (_, splits) => splits.map(number),
        },
      ],
      series: [
        {},
        ...lines.map(
          (line, index): uPlot.Series => ({
            stroke: look(colour(lines, index)),
            width: few || line.marked ? 1.6 : 1,
            ...(line.old ? { dash: [4, 4] } : {}),
            points: { show: false },
          }),
        ),
      ],
      hooks: {
        setCursor: [told],
        setSeries: [
          (chart, index) => {
            near = index;
            told(chart);
          },
        ],
      },
    },
    aligned(library, lines),
    box,
  );
}
