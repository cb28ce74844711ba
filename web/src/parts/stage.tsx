// What stands in the place of a view while there is nothing to see: before the first answer, in a new cluster, and
// where llamad does not let one read.
import type { JSX } from 'preact';
import { here, refused } from '../store';
import { signInAddress } from './you';

/** About as high as what will stand there, so that nothing jumps. */
export function Loading(): JSX.Element {
  return (
    <div role="status" class={`loading loading-${here.value.view}`}>
      <span class="sr">Waiting for the first answer</span>
    </div>
  );
}

export function Welcome(): JSX.Element {
  return (
    <section class="stage sheet">
      <h2>No node has been heard yet</h2>
      <p>A node appears here by itself as soon as its agent runs. On each node, with the broker’s address:</p>
      <pre>SMOLLAMA_MQTT_BROKER=192.168.1.2 alpaca-agent -c ~/.smollama/config.yaml</pre>
      <p>An agent runs, and nothing comes? On this machine, see which broker llamad listens to:</p>
      <pre>llamad -c llamad.yaml --check</pre>
    </section>
  );
}

export function Refused(): JSX.Element {
  return (
    <section class="stage sheet">
      <h2>{refused.value === 401 ? 'Sign in to see the cluster' : 'You may not see this cluster'}</h2>
      <p>
        {refused.value === 401
          ? 'You are not signed in, or no longer.'
          : 'llamad knows you, but does not let you read. Somebody else may.'}
      </p>
      <a class="button" href={signInAddress()}>
        Sign in
      </a>
    </section>
  );
}
