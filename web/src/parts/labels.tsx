// A node's labels; each leads to all nodes that have it.
import type { JSX } from 'preact';
import { asText } from '../format';
import { linkTo } from '../route';
import type { ClusterNode } from '../wire';
import { Text } from './text';

export function Labels({ labels }: { labels: ClusterNode['labels'] }): JSX.Element | null {
  const list = Object.entries(labels ?? {});
  if (list.length === 0) return null;
  return (
    <ul class="chips" aria-label="Labels">
      {list.map(([key, value]) => (
        <li key={key}>
          <a class="chip" href={linkTo('overview', { filters: { label: `${key}:${asText(value)}` } })}>
            <Text value={`${key}: ${asText(value)}`} />
          </a>
        </li>
      ))}
    </ul>
  );
}
