// The sign that says whether what is seen is live, and the banner when it is not.
import type { JSX } from 'preact';
import type { Connection } from '../feed';
import { clock, duration } from '../format';
import { connection, feed, model, refused, serverNow, tick } from '../store';
import { Moment } from './time';

const WORDS: Readonly<Record<Connection['phase'], string>> = {
  connecting: 'Connecting',
  live: 'Live',
  paused: 'Paused',
  lost: 'Connection lost',
};

export function ConnectionSign(): JSX.Element {
  const { phase } = connection.value;
  return (
    <span class={`sign sign-${phase}`} role="status">
      <span class="dot" aria-hidden="true" />
      {refused.value === 0 ? WORDS[phase] : refused.value === 401 ? 'Signed out' : 'Not allowed'}
    </span>
  );
}

export function ConnectionBanner(): JSX.Element | null {
  const state = connection.value;
  if (state.phase !== 'lost' || refused.value !== 0) return null;
  return (
    <div class="banner" role="alert">
      <strong>Connection lost</strong>
      <Meanwhile state={state} />
      <Countdown retryAt={state.retryAt} />
      <button type="button" class="button" disabled={state.retryAt === null} onClick={() => feed.retryNow()}>
        Retry now
      </button>
    </div>
  );
}

/** Not while the connection is lost and nothing is polled: then nobody knows. */
export function BrokerBanner(): JSX.Element | null {
  const { brokerDownSince } = model.value;
  const state = connection.value;
  const known = state.phase !== 'lost' || state.polling.state === 'ok';
  if (brokerDownSince === null || !known) return null;
  return (
    <div class="banner banner-warn" role="alert">
      <span>
        <strong>Broker down:</strong> llamad has had no connection to the MQTT broker since{' '}
        <Moment at={brokerDownSince} />. Nodes with an address are asked over HTTP; the others show their last
        values.
      </span>
    </div>
  );
}

/** Every time on the page is by that clock. */
export function ClockBanner(): JSX.Element | null {
  const { ownClock } = model.value;
  if (ownClock === null) return null;
  return (
    <div class="banner banner-warn" role="alert">
      <span>
        <strong>Wrong clock:</strong> {ownClock.reason}. Noticed <Moment at={ownClock.since} />.
      </span>
    </div>
  );
}

type Lost = Extract<Connection, { phase: 'lost' }>;

function Meanwhile({ state }: { state: Lost }): JSX.Element {
  const { polling } = state;
  if (polling.state === 'ok') return <span>– polling</span>;
  return (
    <span>
      – polling{polling.state === 'failed' && `: ${polling.error}`}
      <Since />
    </span>
  );
}

/** From when the values on the page are. */
function Since(): JSX.Element | null {
  const { loaded, serverMs, receivedMs } = model.value;
  if (!loaded) return null;
  return (
    <span class="as-of" aria-hidden="true">
      ; values are from {clock(receivedMs)}, {duration(serverNow.value - serverMs)} ago
    </span>
  );
}

/** Not read out every second: the alert says it once. */
function Countdown({ retryAt }: { retryAt: number | null }): JSX.Element {
  const text =
    retryAt === null
      ? 'trying now…'
      : `retry in ${Math.max(1, Math.ceil((retryAt - Math.max(tick.value, Date.now())) / 1000))} s`;
  return (
    <span class="num countdown" aria-hidden="true">
      – {text}
    </span>
  );
}
