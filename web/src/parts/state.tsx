// A node's state: a sign and a word, never colour alone. And the node's name as a link.
import type { JSX } from 'preact';
import { isOld } from '../select';
import { linkTo } from '../route';
import type { ClusterNode, NodeStatus } from '../wire';
import { Text } from './text';

const SHAPES: Readonly<Record<NodeStatus, JSX.Element>> = {
  online: (
    <path
      d="M3.5 8.5l3 3 6-7"
      fill="none"
      stroke="currentColor"
      stroke-width="2.2"
      stroke-linecap="round"
      stroke-linejoin="round"
    />
  ),
  degraded: (
    <path
      d="M8 2l6.5 11.5h-13zM8 6.5v3M8 11.4v.2"
      fill="none"
      stroke="currentColor"
      stroke-width="1.7"
      stroke-linecap="round"
      stroke-linejoin="round"
    />
  ),
  stale: (
    <path
      d="M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 5v3.2l2.2 1.4"
      fill="none"
      stroke="currentColor"
      stroke-width="1.7"
      stroke-linecap="round"
      stroke-linejoin="round"
    />
  ),
  unreachable: (
    <path
      d="M4 4l8 8M12 4l-8 8"
      fill="none"
      stroke="currentColor"
      stroke-width="2.2"
      stroke-linecap="round"
    />
  ),
  unknown: (
    <path
      d="M5.8 6a2.2 2.2 0 1 1 3.3 1.9c-.8.5-1.1.9-1.1 1.8M8 12.3v.2"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
    />
  ),
};

function isStatus(text: string): text is NodeStatus {
  return Object.prototype.hasOwnProperty.call(SHAPES, text);
}

export function StateIcon({ status }: { status: NodeStatus }): JSX.Element {
  return (
    <svg class={`icon s-${status}`} viewBox="0 0 16 16" aria-hidden="true">
      {SHAPES[status]}
    </svg>
  );
}

/** `status` is a word of ours, but an event of a newer llamad may hold one that this page does not know. */
export function State({ status }: { status: string | null }): JSX.Element {
  const known = status !== null && isStatus(status) ? status : 'unknown';
  return (
    <span class={`state s-${known}`}>
      <StateIcon status={known} />
      {status ?? 'new'}
    </span>
  );
}

interface NodeNameProps {
  name: string;
  node: ClusterNode | undefined;
  href?: string;
}

/** Names the node, shows its state where it is not well, and leads to its page if nowhere else. */
export function NodeName({ name, node, href }: NodeNameProps): JSX.Element {
  const status = node?.status ?? 'unknown';
  const odd = status !== 'online';
  return (
    <a class="node-name" href={href ?? linkTo('node', { node: name })}>
      {odd && <StateIcon status={status} />}
      {Text({ value: name })}
      {odd && <span class="sr">({status})</span>}
    </a>
  );
}

export function oldClass(node: ClusterNode | undefined): string {
  return isOld(node?.status) ? 'old' : '';
}
