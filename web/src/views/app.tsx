// The frame around the views: name, navigation, node drop-down, connection sign, banner.
import { useSignalEffect } from '@preact/signals';
import type { FunctionComponent, JSX } from 'preact';
import { BrokerBanner, ClockBanner, ConnectionBanner, ConnectionSign } from '../parts/connection';
import { NodeSelect } from '../parts/node-select';
import { isBroken } from '../select';
import { VIEWS } from '../route';
import type { View } from '../route';
import { addressOf, here, model, outdated } from '../store';
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

export function App(): JSX.Element {
  useSignalEffect(() => {
    const broken = [...model.value.nodes.values()].filter((node) => isBroken(node.status)).length;
    document.title = `${broken > 0 ? `(${broken}) ` : ''}${PAGES[here.value.view].title} · Smollama cluster`;
  });
  const Page = PAGES[here.value.view].component;
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <div class="top-in">
          <a class="brand" href={addressOf('overview', null)}>
            <img src="icon.svg" alt="" width="26" height="26" />
            <h1>
              Smollama <span>cluster</span>
            </h1>
          </a>
          <Navigation />
          <NodeSelect />
          <ConnectionSign />
        </div>
        <ConnectionBanner />
        <BrokerBanner />
        <ClockBanner />
      </header>
      <main id="main" tabIndex={-1} class={outdated.value ? 'outdated' : ''}>
        <Page />
      </main>
    </>
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
