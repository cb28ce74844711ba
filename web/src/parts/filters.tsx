// What narrows the readings: drop-downs that list what exists, and a way out where nothing matches.
import { useMemo } from 'preact/hooks';
import type { JSX } from 'preact';
import { plain } from '../format';
import { choices } from '../order';
import type { Choices } from '../order';
import { linkTo } from '../route';
import type { FilterKey } from '../route';
import { filterBy, here } from '../store';
import { useSummary } from './summary';

const CHOICES_MS = 2000;

const SELECTS: readonly { name: FilterKey & keyof Choices; one: string; all: string }[] = [
  { name: 'type', one: 'type', all: 'Type' },
  { name: 'label', one: 'label', all: 'Label' },
  { name: 'state', one: 'state', all: 'State' },
];

/** `nodes`: only what is about nodes. */
export function Filters({ nodes = false }: { nodes?: boolean }): JSX.Element {
  const all = useSummary(choices, '', CHOICES_MS);
  const { filters } = here.value;
  // Hundreds of options are looked at when they change, not at each paint.
  return useMemo(
    () => (
      <div class="filters">
        {SELECTS.slice(nodes ? 1 : 0).map((select) => (
          <Select key={select.name} {...select} value={filters[select.name] ?? ''} options={all[select.name]} />
        ))}
      </div>
    ),
    [all, filters, nodes],
  );
}

interface SelectProps {
  name: FilterKey;
  one: string;
  all: string;
  value: string;
  options: readonly string[];
}

function Select({ name, one, all, value, options }: SelectProps): JSX.Element | null {
  if (value === '' && options.length < 2) return null;
  return (
    <span class={value === '' ? 'filter' : 'filter set'}>
      <select
        aria-label={`Filter by ${one}`}
        value={value}
        onChange={(event) => filterBy(name, event.currentTarget.value)}
      >
        <option value="">{all}</option>
        {value !== '' && !options.includes(value) && <option value={value}>{plain(value)} (not here)</option>}
        {options.map((option) => (
          <option key={option} value={option}>
            {plain(option)}
          </option>
        ))}
      </select>
      {value !== '' && (
        <button type="button" class="lift" aria-label={`Lift the filter by ${one}`} onClick={() => filterBy(name, '')}>
          ×
        </button>
      )}
    </span>
  );
}

/** The two ways to look at readings. What narrows them goes along. */
export function Ways(): JSX.Element {
  const { view, node, filters } = here.value;
  const { source, unit: _, ...others } = filters;
  return (
    <div class="ways" role="group" aria-label="Show as">
      <a href={linkTo('readings', { node, query: source ?? '', filters: others })} aria-current={view === 'readings' ? 'page' : undefined}>
        Table
      </a>
      <a href={linkTo('compare', { node, filters: others })} aria-current={view === 'compare' ? (source ? 'true' : 'page') : undefined}>
        Compare
      </a>
    </div>
  );
}

/** Does anything narrow the view? */
export function isNarrowed(): boolean {
  const { node, query, filters } = here.value;
  return node !== null || query !== '' || SELECTS.some(({ name }) => !!filters[name]);
}

/** Says by what, and lifts it all; the filters above lift one of them. */
export function NoMatch({ what }: { what: string }): JSX.Element {
  const { view, node, query, filters, sort } = here.value;
  const { source, unit } = filters;
  const by = [node, query, ...SELECTS.map(({ name }) => filters[name])].filter(Boolean) as string[];
  return (
    <p class="nothing">
      No {what} match {by.map((value) => `“${plain(value)}”`).join(' and ')}.{' '}
      <a href={linkTo(view, { sort, filters: source ? { source, unit: unit ?? '' } : {} })}>Show all {what}</a>
    </p>
  );
}
