// What the page shows, kept in the address (after the #) so that it can be bookmarked, shared and gone back
// to.

export const VIEWS = ['overview', 'readings', 'observations', 'memories', 'events'] as const;
export type View = (typeof VIEWS)[number];

export interface Sort {
  key: string;
  descending: boolean;
}

export interface Route {
  view: View;
  /** null: all nodes. */
  node: string | null;
  query: string;
  /** null: the view's own order. */
  sort: Sort | null;
}

export const HOME: Route = { view: 'overview', node: null, query: '', sort: null };

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
  return {
    view: isView(name) ? name : HOME.view,
    node: params.get('node') || null,
    query: params.get('q') ?? '',
    sort: sort && sort !== '-' ? { key: sort.replace(/^-/, ''), descending: sort.startsWith('-') } : null,
  };
}

export function format(route: Route): string {
  const params = new URLSearchParams();
  if (route.node !== null) params.set('node', route.node);
  if (route.query !== '') params.set('q', route.query);
  if (route.sort !== null) params.set('sort', (route.sort.descending ? '-' : '') + route.sort.key);
  const query = params.toString();
  return `#/${route.view}${query === '' ? '' : `?${query}`}`;
}

/** The address of another view: the node stays chosen, search and order belong to the view that is left. */
export function linkTo(route: Route, view: View): string {
  return format({ ...HOME, view, node: route.node });
}
