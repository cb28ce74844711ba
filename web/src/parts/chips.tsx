// The filters that an address holds: each is seen, and goes at a press. And the choice of a state.
import type { JSX } from 'preact';
import type { FilterKey } from '../route';
import { filterBy, here } from '../store';
import { STATUSES } from '../wire';
import { Text } from './text';

export function FilterChips({ keys }: { keys: readonly FilterKey[] }): JSX.Element | null {
  const { filters } = here.value;
  const set = keys.filter((key) => filters[key]);
  if (set.length === 0) return null;
  return (
    <p class="chips narrowed">
      {set.map((key) => (
        <button key={key} type="button" class="chip" title="Remove this filter" onClick={() => filterBy(key, '')}>
          {key}: <Text value={filters[key]} /> <span aria-hidden="true">×</span>
          <span class="sr">, remove this filter</span>
        </button>
      ))}
    </p>
  );
}

export function StateSelect(): JSX.Element {
  const chosen = here.value.filters.state ?? '';
  return (
    <span class={`filter ${chosen ? 'set' : ''}`}>
      <select
        aria-label="Filter by state"
        value={chosen}
        onChange={(event) => filterBy('state', event.currentTarget.value)}
      >
        <option value="">State</option>
        {STATUSES.map((status) => (
          <option key={status} value={status} selected={status === chosen}>
            {status}
          </option>
        ))}
      </select>
    </span>
  );
}
