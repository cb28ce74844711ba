// Everything about one node.
import type { JSX } from 'preact';

export function NodePage(): JSX.Element {
  return <section aria-label="Node" />;
}
