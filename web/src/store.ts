// The page's signals: the model, the connection, the route, the time. Views read them; only this file writes
// them.
import { computed, signal } from '@preact/signals';
import { Feed } from './feed';
import type { Connection } from './feed';
import { browserPorts } from './ports';
import { nodeNames } from './select';
import { emptyModel, reduce } from './state';
import type { Model } from './state';
import * as route from './route';
import type { Route, Sort, View } from './route';

/** Values faster than the eye are not painted: at most one update per frame, and ten a second. */
const PAINT_MS = 100;
const PAINT_MAX_MS = 2000;

export const model = signal<Model>(emptyModel);
export const connection = signal<Connection>({ phase: 'connecting' });
export const here = signal<Route>(route.parse(location.hash));
/** Our own clock, in ms, once a second while the page is visible. */
export const tick = signal(Date.now());

/** llamad's clock now, in ms: ages are differences between its times, whatever this computer's clock says. */
export const serverNow = computed(() => {
  const { serverMs, receivedMs } = model.value;
  return serverMs === 0 ? tick.value : serverMs + Math.max(0, tick.value - receivedMs);
});

/** The names of all nodes in order; the same list until a node comes or goes. */
export const names = computed(() => nodeNames(model.value));

/** True while what is shown is not current: connection lost, and polling has not answered lately either. */
export const outdated = computed(() => {
  const state = connection.value;
  if (state.phase !== 'lost' || !model.value.loaded) return false;
  return state.polling.state !== 'ok';
});

// Frames are reduced as they come and painted together: in a hidden tab no frame is painted, and it stays
// cheap.
let newest: Model = emptyModel;
let nextPaintAt = 0;
let painting = false;

function paint(): void {
  const now = performance.now();
  if (now < nextPaintAt && model.peek().loaded) {
    setTimeout(() => requestAnimationFrame(paint), nextPaintAt - now);
    return;
  }
  painting = false;
  nextPaintAt = now + PAINT_MS;
  model.value = newest;
  // The views render before the next task: a thousand nodes on a phone take at most a third of its time.
  setTimeout(() => {
    const took = performance.now() - now;
    nextPaintAt = now + Math.min(PAINT_MAX_MS, Math.max(PAINT_MS, 3 * took));
  }, 0);
}

export const feed = new Feed(browserPorts(), {
  dispatch(action) {
    newest = reduce(newest, action);
    if (painting) return;
    painting = true;
    requestAnimationFrame(paint);
  },
  connection(state) {
    connection.value = state;
  },
  nodes: () => newest.nodes,
  chosen: () => here.peek().node,
});

// ---- route ------------------------------------------------------------------------------------------------

function go(next: Route, replace: boolean): void {
  const address = route.format(next);
  if (address !== location.hash) history[replace ? 'replaceState' : 'pushState'](null, '', address);
  arrive(next);
}

function arrive(next: Route): void {
  const before = here.peek().node;
  here.value = next;
  if (next.node !== null && next.node !== before) void feed.fill(next.node);
}

export function chooseNode(node: string | null): void {
  go({ ...here.peek(), node }, false);
}

/** Every letter would be a step back otherwise: typing replaces. */
export function search(query: string): void {
  go({ ...here.peek(), query }, true);
}

export function sortBy(sort: Sort | null): void {
  go({ ...here.peek(), sort }, true);
}

export function addressOf(view: View, node: string | null = here.value.node): string {
  return route.linkTo({ ...here.value, node }, view);
}

export function start(): void {
  const follow = (): void => arrive(route.parse(location.hash));
  addEventListener('popstate', follow);
  addEventListener('hashchange', follow);
  addEventListener('online', () => feed.retryNow());
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    tick.value = Date.now();
    feed.checkNow();
  });
  setInterval(() => {
    if (!document.hidden) tick.value = Date.now();
  }, 1000);
  feed.start();
}
