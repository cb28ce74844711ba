// One source across all nodes, side by side.
import type { JSX } from 'preact';

export function Compare(): JSX.Element {
  return <section aria-label="Compare" />;
}
