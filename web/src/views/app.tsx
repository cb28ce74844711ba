// The frame around the views: name, navigation, node drop-down, connection sign, banner.
import { computed, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { FunctionComponent, JSX } from 'preact';
import { onKey, opened } from '../keys';
import { BrokerBanner, ClockBanner, ConnectionBanner, ConnectionSign } from '../parts/connection';
import { Help } from '../parts/help';
import { Magnifier } from '../parts/magnifier';
import { NodeSelect } from '../parts/node-select';
import { Palette } from '../parts/palette';
import { Loading, Refused, Welcome } from '../parts/stage';
import { LeaveButton } from '../parts/you';
import { plain } from '../format';
import { brokenNodes, stateCounts } from '../select';
import { VIEWS } from '../route';
import type { View } from '../route';
import { addressOf, connection, here, model, outdated, refused } from '../store';
import { Compare } from './compare';
import { Events } from './events';
import { Memories } from './memories';
import { NodePage } from './node';
import { Observations } from './observations';
import { Overview } from './overview';
import { Readings } from './readings';

/** In the order of the navigation; what belongs below another view is reached from there. */
const PAGES: Readonly<Record<View, { title: string; component: FunctionComponent; below?: View }>> = {
  overview: { title: 'Overview', component: Overview },
  readings: { title: 'Readings', component: Readings },
  compare: { title: 'Compare', component: Compare, below: 'readings' },
  observations: { title: 'Observations', component: Observations },
  memories: { title: 'Memories', component: Memories },
  events: { title: 'Events', component: Events },
  node: { title: 'Node', component: NodePage, below: 'overview' },
};

/** What stands in the place of a view while it has nothing to show. */
const stage = computed(() => {
  if (refused.value !== 0) return Refused;
  const { loaded, partial, nodes } = model.value;
  if (!loaded) return Loading;
  return nodes.size === 0 && !partial && here.value.view === 'overview' ? Welcome : PAGES[here.value.view].component;
});

/** How many nodes are broken; null while nobody knows. */
const broken = computed(() => {
  const state = connection.value;
  if (state.phase === 'paused') return state.counts && brokenNodes(state.counts);
  if (outdated.value || !model.value.loaded) return null;
  return brokenNodes(stateCounts(model.value));
});

const title = computed(() => {
  const { view, node } = here.value;
  const name = PAGES[view].title;
  if (node === null) return name;
  return view === 'node' ? plain(node) : `${name} of ${plain(node)}`;
});

export function App(): JSX.Element {
  useSignalEffect(() => {
    const sign = broken.value === null ? (model.value.loaded ? '(?) ' : '') : broken.value > 0 ? `(${broken.value}) ` : '';
    document.title = `${sign}${title.value} · Smollama cluster`;
  });
  useSignalEffect(() => {
    const icon = document.querySelector<HTMLLinkElement>('link[rel=icon]')!;
    const number = broken.value ?? 0;
    // Made by build.mjs.
    icon.href = `icon${number === 0 ? '' : number < 10 ? `-${number}` : '-many'}.svg`;
  });
  useEffect(() => addEventListener('keydown', onKey), []);
  const Stage = stage.value;
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <div class="top-in">
          <a class="brand" href={addressOf('overview', null)}>
            <img src="icon.svg" alt="" width="26" height="26" />
            <b>
              Smollama <span>cluster</span>
            </b>
          </a>
          <Navigation />
          <NodeSelect />
          <ConnectionSign />
          <span class="tools">
            <button type="button" aria-label="Jump to" title="Jump to a node, a source or a view (Ctrl K)" onClick={() => (opened.value = 'palette')}>
              <Magnifier />
            </button>
            <button type="button" aria-label="Help and settings" title="Help and settings (?)" onClick={() => (opened.value = 'help')}>
              ?
            </button>
            <LeaveButton />
          </span>
        </div>
        <ConnectionBanner />
        <BrokerBanner />
        <ClockBanner />
      </header>
      <main id="main" tabIndex={-1} class={outdated.value ? 'outdated' : ''}>
        <Heading />
        <Stage />
      </main>
      {opened.value === 'palette' && <Palette />}
      {opened.value === 'help' && <Help />}
    </>
  );
}

/**
 * Each view's name for those who don't see the navigation. On the way to another view the focus goes there, so that
 * its name is read and the next Tab is in the view.
 */
function Heading(): JSX.Element {
  const { view, node } = here.value;
  const heading = useRef<HTMLHeadingElement>(null);
  const place = view === 'node' ? `node ${node}` : view;
  const before = useRef(place);
  useEffect(() => {
    if (before.current !== place && document.activeElement?.tagName !== 'SELECT') {
      heading.current?.focus({ preventScroll: true });
    }
    before.current = place;
  }, [place]);
  return (
    <h1 class="sr" tabIndex={-1} ref={heading}>
      {title}
    </h1>
  );
}

/** The address holds the view, so the link's own #main must not get there. */
function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function Navigation(): JSX.Element {
  const { view: shown } = here.value;
  const current = PAGES[shown].below ?? shown;
  return (
    <nav aria-label="Views">
      {VIEWS.filter((view) => PAGES[view].below === undefined).map((view) => (
        <a key={view} href={addressOf(view)} aria-current={current === view ? (shown === view ? 'page' : 'true') : undefined}>
          {PAGES[view].title}
        </a>
      ))}
    </nav>
  );
}
