// The page's signals: the model, the connection, the route, the time. Views read them; only this file writes
// them.
import { batch, computed, effect, signal } from '@preact/signals';
import { Feed } from './feed';
import type { Connection } from './feed';
import { browserPorts } from './ports';
import { flying } from './parts/window';
import { dateTime } from './format';
import { recall, recallPlaces, remember, rememberPlaces } from './prefs';
import { nodeNames } from './select';
import { SeriesStore } from './series';
import { Scripts } from './scripts';
import { askSession } from './session';
import type { Session } from './session';
import { emptyModel, reduce } from './state';
import type { Action, Model } from './state';
import * as route from './route';
import type { FilterKey, Route, Sort, View } from './route';

/** Values faster than the eye are not painted: at most one update per frame, and ten a second. */
const PAINT_MS = 100;
const PAINT_MAX_MS = 2000;
/** While rows fly by nobody reads values, and every moment is needed for the rows; but so much later they come. */
const FLIGHT_MS = 800;
/** On a slow line a large picture grows in steps of that. */
const PARTIAL_MS = 1000;
/** So many frames wait for the next paint; more are taken at once, so that they don't pile up. */
const WAITING_MAX = 256;
/** A second that took as long was a sleep of the computer. */
const SLEPT_MS = 10_000;
/** So long after the start, llamad is asked which scripts it serves: those that run. */
const FIRST_LOOK_MS = 2000;

export const model = signal<Model>(emptyModel);
export const connection = signal<Connection>({ phase: 'connecting' });
export const here = signal<Route>(route.parse(location.hash));
/** The node of the drop-down; null: all. */
export const chosen = computed(() => here.value.node);
/** Our own clock, in ms, once a second while the page is visible. */
export const tick = signal(Date.now());

/** llamad's clock now, in ms: ages are differences between its times, whatever this computer's clock says. */
export const serverNow = computed(() => {
  const { serverMs, receivedMs } = model.value;
  return serverMs === 0 ? tick.value : serverMs + Math.max(0, tick.value - receivedMs);
});

/** The day, by the reader's clock: what is shown as of today moves at midnight, on a page that nobody touches. */
export const today = computed(() => dateTime(serverNow.value).slice(0, 10));

/** True on a screen so narrow that tables become lists; the same width as in the styles. */
const narrowScreen = matchMedia('(max-width: 620px)');
export const narrow = signal(narrowScreen.matches);

/** The names of all nodes in order; the same list until a node comes or goes. */
export const names = computed(() => nodeNames(model.value));

/** True while what is shown is not current: no live connection, and polling has not answered lately either. */
export const outdated = computed(() => {
  const state = connection.value;
  if (state.phase === 'live' || !model.value.loaded) return false;
  return state.phase !== 'lost' || state.polling.state !== 'ok';
});

/** The HTTP status with which llamad refuses to be read (401, 403); 0 while it does not. */
export const refused = computed(() => {
  const state = connection.value;
  if (state.phase !== 'lost' || state.polling.state !== 'failed') return 0;
  const { status } = state.polling;
  return status === 401 || status === 403 ? status : 0;
});

/** Who the reader is to llamad; null while that is not known. */
export const session = signal<Session | null>(null);
/** May the reader change anything? llamad has the last word. */
export const mayChange = computed(() => session.value?.scope !== 'read');

// Frames wait and are taken and painted together. In a hidden tab nothing is painted, and the feed pauses soon.
let newest: Model = emptyModel;
let waiting: Action[] = [];
let nextPaintAt = 0;
let painting = false;
let partialAt = 0;
/** Where the page was before it was reloaded; looked for again once there is something to see. */
let reloadedAt: number | undefined;
/** That what is shown is current may be said only once it is: with the next paint. */
let said: Connection | null = null;

function take(): Model {
  if (waiting.length > 0) newest = reduce(newest, ...waiting);
  waiting = [];
  return newest;
}

function show(next: Model): void {
  // Another snapshot: what lies between is known to llamad only.
  if (model.peek().loaded && next.snapshots !== model.peek().snapshots) seriesStore.renew();
  seriesStore.follow(next, next.serverMs);
  batch(() => {
    model.value = next;
    if (said !== null) connection.value = said;
    said = null;
  });
  if (!next.loaded || next.partial) return;
  returnTo(reloadedAt);
  reloadedAt = undefined;
}

function paint(): void {
  const now = performance.now();
  const due = flying.peek() ? nextPaintAt + FLIGHT_MS : nextPaintAt;
  if (now < due && model.peek().loaded) {
    setTimeout(() => requestAnimationFrame(paint), Math.min(PAINT_MS, due - now));
    return;
  }
  painting = false;
  nextPaintAt = now + PAINT_MS;
  const next = take();
  // The beginning of the first picture is shown at once, the rest when it is whole; after a reconnect the old one
  // stands until then.
  const { loaded, partial } = model.peek();
  if (next.partial && loaded && (!partial || now < partialAt + PARTIAL_MS)) return;
  if (next.partial) partialAt = now;
  show(next);
  // The views render before the next task: a thousand nodes on a phone take at most a third of its time.
  setTimeout(() => {
    const took = performance.now() - now;
    nextPaintAt = now + Math.min(PAINT_MAX_MS, Math.max(PAINT_MS, 3 * took));
  }, 0);
}

function dispatch(action: Action): void {
  waiting.push(action);
  // The parts of a snapshot are taken one by one: a whole one would be a pause.
  if (waiting.length >= WAITING_MAX || (action.type === 'frame' && action.frame.more === true)) take();
  // What comes first is shown before the next message is looked at.
  if (!model.peek().loaded) return paint();
  if (painting) return;
  painting = true;
  requestAnimationFrame(paint);
}

export const ports = browserPorts();

export const feed = new Feed(ports, {
  dispatch,
  connection(state) {
    const current = state.phase === 'live' || (state.phase === 'lost' && state.polling.state === 'ok');
    said = current && painting ? state : null;
    if (said === null) connection.value = state;
  },
  nodes: () => take().nodes,
  chosen: () => chosen.peek(),
});

/** Moves when answers brought histories; what the feed brings is painted with its values anyway. */
export const seriesRevision = signal(0);
export const seriesStore = new SeriesStore(ports, () => seriesRevision.value++);

/** Items and events that a view asked for over HTTP join the model. */
export { dispatch };

// ---- route ------------------------------------------------------------------------------------------------

let entry = entryOf(history.state) ?? 0;
/** Where each entry of the history was scrolled to; a step back finds its place again, also after a reload. */
const places = new Map<number, number>(recallPlaces());

function entryOf(state: unknown): number | undefined {
  return (state as { entry?: number } | null)?.entry;
}

function returnTo(place: number | undefined): void {
  // The views render before the next frame; a place in rows that are not there can't be found.
  if (place !== undefined) requestAnimationFrame(() => scrollTo(0, place));
}

function enter(id: number | undefined): void {
  places.set(entry, scrollY);
  entry = id ?? Math.max(entry, ...places.keys()) + 1;
  if (id === undefined) history.replaceState({ entry }, '');
}

function go(next: Route, replace: boolean): void {
  const address = route.format(next);
  if (address !== location.hash) {
    if (replace) history.replaceState({ entry }, '', address);
    else {
      history.pushState(null, '', address);
      enter(undefined);
    }
  }
  arrive(next);
}

function arrive(next: Route): void {
  const before = here.peek();
  here.value = next;
  if (next.node !== null && next.node !== before.node) void feed.fill(next.node);
  const elsewhere = next.view !== before.view || (next.view === 'node' && next.node !== before.node);
  if (elsewhere) scrollTo(0, 0);
}

export function chooseNode(node: string | null): void {
  const now = here.peek();
  const view = now.view === 'node' && node === null ? 'overview' : now.view;
  go({ ...now, view, node }, false);
}

/** Every letter would be a step back otherwise: typing replaces. */
export function search(query: string): void {
  go({ ...here.peek(), query }, true);
}

export function sortBy(sort: Sort | null): void {
  go({ ...here.peek(), sort }, true);
  keepChoices();
}

/** '' lifts the filter. Back goes to the choice before. */
export function filterBy(key: FilterKey, value: string): void {
  const { [key]: _, ...others } = here.peek().filters;
  go({ ...here.peek(), filters: value === '' ? others : { ...others, [key]: value } }, false);
  keepChoices();
}

/** Goes to an address made by `route`. */
export function visit(address: string): void {
  go(route.parse(address), false);
}

/** A choice made once comes back with the view's link: its order and its window of time. */
type Kept = Pick<Route, 'sort' | 'filters'>;
const kept = new Map<View, Kept>();

function keepChoices(): void {
  const { view, sort, filters } = here.peek();
  const choice = { sort, filters: filters.hours ? { hours: filters.hours } : {} };
  kept.set(view, choice);
  remember(`view.${view}`, route.linkTo(view, choice));
}

function choices(view: View): Kept {
  let choice = kept.get(view);
  if (choice === undefined) kept.set(view, (choice = route.parse(recall(`view.${view}`) ?? '')));
  return { sort: choice.sort, filters: choice.filters };
}

/** The address of another view: the node stays chosen, search and filters belong to the view that is left. */
export function addressOf(view: View, node: string | null = here.value.node): string {
  return route.linkTo(view, { ...choices(view), node });
}

/** Does somebody type, choose, or have something open that would be lost? */
function isBusy(): boolean {
  return document.querySelector('input:focus, select:focus, dialog[open], .export [open], .found') !== null;
}

export function start(): void {
  history.scrollRestoration = 'manual';
  reloadedAt = places.get(entry);
  if (entryOf(history.state) === undefined) history.replaceState({ entry }, '');
  addEventListener('popstate', ({ state }: PopStateEvent) => {
    const id = entryOf(state);
    enter(id);
    arrive(route.parse(location.hash));
    returnTo(id === undefined ? undefined : places.get(id));
  });
  addEventListener('pagehide', () => {
    rememberPlaces([...places.set(entry, scrollY)]);
  });
  narrowScreen.addEventListener('change', () => (narrow.value = narrowScreen.matches));
  addEventListener('online', () => feed.checkNow());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) tick.value = Date.now();
    feed.visible(!document.hidden);
  });
  const scripts = new Scripts();
  setInterval(() => {
    // Not while llamad is away: what the browser would show instead does not come back by itself.
    if (scripts.outdated && connection.peek().phase === 'live' && !isBusy()) location.reload();
    if (document.hidden) return;
    const now = Date.now();
    const slept = now - tick.peek() > SLEPT_MS;
    tick.value = now;
    // The socket may have died without a word.
    if (slept) feed.visible(true);
  }, 1000);
  // Again after each outage: it may be another llamad, or the session over.
  effect(() => {
    if (connection.value.phase !== 'live') return;
    void askSession().then((said) => (session.value = said));
    // At the start the first values come first.
    setTimeout(() => void scripts.look(), scripts.known ? 0 : FIRST_LOOK_MS);
  });
  feed.start();
  // Opened in the background: nothing will say that it is hidden.
  if (document.hidden) feed.visible(false);
}
