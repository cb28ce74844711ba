// What llamad says (the cluster API and the live socket). The envelope is llamad's own and is relied on;
// whatever stands inside an item came from a node, so those fields are `unknown` and go through `format` to
// be shown.

export type NodeStatus = 'online' | 'degraded' | 'stale' | 'unreachable' | 'unknown';

export const STATUSES: readonly NodeStatus[] = ['online', 'degraded', 'stale', 'unreachable', 'unknown'];

export interface ClusterNode {
  name: string;
  type: string | null;
  url: string | null;
  status: NodeStatus;
  cause: string | null;
  reason: string | null;
  via: string | null;
  last_seen: string | null;
  since: string | null;
  /** When its standing readings were made, by its own clock, and by llamad's: ages come from the latter. */
  captured_at?: string | null;
  confirmed_at?: string | null;
  discovered_by?: string[];
  version?: string | null;
  uptime_s?: number | null;
  latency_ms?: number | null;
  clock_skew_s?: number | null;
  labels?: Record<string, unknown> | null;
  counts?: { readings?: number | null; observations?: number | null; memories?: number | null };
  source?: Record<string, unknown> | null;
}

export interface Reading {
  node: string;
  at: string | null;
  full_id: string;
  value: unknown;
  unit: unknown;
  timestamp: unknown;
  metadata: unknown;
}

export interface Observation {
  node: string;
  at: string | null;
  id: unknown;
  text: unknown;
  confidence: unknown;
  type: unknown;
  related_sources: unknown;
}

export interface Memory {
  node: string;
  at: string | null;
  id: unknown;
  text: unknown;
  confidence: unknown;
  times_confirmed: unknown;
  created_at: unknown;
  updated_at: unknown;
}

export interface ClusterEvent {
  id: unknown;
  at: string;
  node: string | null;
  from: string | null;
  to: string | null;
  cause: string | null;
  reason: string | null;
}

export interface Stats {
  nodes: Record<string, number>;
  totals: Record<string, number>;
  by_node: Record<string, Record<string, unknown> | null>;
}

export interface Removed {
  nodes?: string[];
  readings?: [string, string][];
  observations?: [string, unknown][];
  memories?: [string, unknown][];
}

/** What concerns the whole cluster: `broker_down` or `own_clock`. */
export interface Incident {
  cause: string;
  since: string | null;
  reason: string | null;
}

export interface Frame {
  /** A large snapshot comes in parts: the `snapshot`, then further nodes and readings as long as `more` says so. */
  type: 'snapshot' | 'part' | 'delta';
  more?: boolean;
  instance: string;
  revision: number;
  timestamp: string;
  /** Since when llamad has had no broker; null while it has one. */
  broker_down_since?: string | null;
  incidents?: Incident[];
  nodes?: ClusterNode[];
  readings?: Reading[];
  observations?: Observation[];
  memories?: Memory[];
  events?: ClusterEvent[];
  stats?: Partial<Stats>;
  removed?: Removed;
}

/** The answers of one round of polling; all of them, or the round does not count. */
export interface Polled {
  nodes: { timestamp: string; nodes: ClusterNode[] };
  health: { broker_down_since?: string | null; incidents?: Incident[] };
  readings: { readings: Reading[] };
  observations: { observations: Observation[] };
  memories: { memories: Memory[] };
  stats: Partial<Stats>;
  events: { events: ClusterEvent[] };
}

/**
 * True if `value` has the shape every live frame has; a frame that has not is treated as a broken connection.
 */
export function isFrame(value: unknown): value is Frame {
  if (typeof value !== 'object' || value === null) return false;
  const frame = value as Record<string, unknown>;
  return (
    ['snapshot', 'part', 'delta'].includes(frame['type'] as string) &&
    typeof frame['instance'] === 'string' &&
    typeof frame['revision'] === 'number' &&
    typeof frame['timestamp'] === 'string'
  );
}
