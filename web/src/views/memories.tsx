// What the nodes remember, most confirmed first.
import type { JSX } from 'preact';
import { Items } from '../parts/items';

export function Memories(): JSX.Element {
  return <Items kind="memories" title="Memories" placeholder="Text…" empty="No node has a memory yet." />;
}
