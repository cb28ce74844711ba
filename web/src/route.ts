// What the page shows, kept in the address (after the #) so that it can be bookmarked, shared and gone back
// to. Whatever narrows or orders a view is in here; what a reader merely opens or unfolds is not.

export const VIEWS = ['overview', 'readings', 'compare', 'observations', 'memories', 'events', 'node'] as const;
export type View = (typeof VIEWS)[number];

export interface Sort {
  key: string;
  descending: boolean;
}

/**
 * `type`, `label` (`key:value`) and `state` narrow nodes and readings, `hours` what is told, `source` is the one
 * compared or charted, `unit` its unit, `event` the one that a link points at.
 */
export const FILTERS = ['type', 'label', 'state', 'hours', 'source', 'unit', 'event'] as const;
export type FilterKey = (typeof FILTERS)[number];
export type Filters = Readonly<Partial<Record<FilterKey, string>>>;

export interface Route {
  view: View;
  /** null: all nodes. */
  node: string | null;
  query: string;
  /** null: the view's own order. */
  sort: Sort | null;
  filters: Filters;
}

export const HOME: Route = { view: 'overview', node: null, query: '', sort: null, filters: {} };

function isView(text: string): text is View {
  return (VIEWS as readonly string[]).includes(text);
}

/** Reads "#/readings?node=pi&q=temp&sort=-value". Whatever it cannot read is as if it were absent. */
export function parse(hash: string): Route {
  const text = hash.replace(/^#\/?/, '');
  const at = text.indexOf('?');
  const name = at < 0 ? text : text.slice(0, at);
  const params = new URLSearchParams(at < 0 ? '' : text.slice(at + 1));
  const sort = params.get('sort');
  const filters: Partial<Record<FilterKey, string>> = {};
  for (const key of FILTERS) {
    const value = params.get(key);
    if (value) filters[key] = value;
  }
  return {
    view: isView(name) ? name : HOME.view,
    node: params.get('node') || null,
    query: params.get('q') ?? '',
    sort: sort && sort !== '-' ? { key: sort.replace(/^-/, ''), descending: sort.startsWith('-') } : null,
    filters,
  };
}

export function format(route: Route): string {
  const params = new URLSearchParams();
  if (route.node !== null) params.set('node', route.node);
  if (route.query !== '') params.set('q', route.query);
  for (const key of FILTERS) {
    const value = route.filters[key];
    if (value) params.set(key, value);
  }
  if (route.sort !== null) params.set('sort', (route.sort.descending ? '-' : '') + route.sort.key);
  const query = params.toString();
  return `#/${route.view}${query === '' ? '' : `?${query}`}`;
}

/** The address of a view with nothing but `change` chosen. */
export function linkTo(view: View, change: Partial<Omit<Route, 'view'>> = {}): string {
  return format({ ...HOME, ...change, view });
}
