// What the nodes' models noticed, all together, newest first, each with the node that made it.
import type { JSX } from 'preact';
import { Items } from '../parts/items';

export function Observations(): JSX.Element {
  return (
    <Items
      kind="observations"
      title="Observations"
      placeholder="Text, type, source…"
      empty="No node has made an observation yet."
    />
  );
}
