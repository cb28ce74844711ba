// Makers of wire objects, and ports for the feed whose time is moved by hand.
import { HttpError } from '../src/feed';
import type { Connection, Ports, Sink, Socket } from '../src/feed';
import { emptyModel, reduce } from '../src/state';
import type { Action, Model } from '../src/state';
import type { ClusterEvent, ClusterNode, Frame, Memory, Observation, Reading } from '../src/wire';

export const T0 = Date.parse('2026-11-23T08:00:00.000Z');

export const at = (seconds: number): string => new Date(T0 + seconds * 1000).toISOString();

export function node(name: string, fields: Partial<ClusterNode> = {}): ClusterNode {
  return {
    name,
    type: 'alpaca',
    url: null,
    status: 'online',
    cause: null,
    reason: null,
    via: 'mqtt',
    last_seen: at(0),
    since: at(-60),
    captured_at: at(0),
    ...fields,
  };
}

export function reading(
  nodeName: string,
  fullId: string,
  value: unknown,
  fields: Partial<Reading> = {},
): Reading {
  return {
    node: nodeName,
    at: at(0),
    full_id: fullId,
    value,
    unit: null,
    timestamp: null,
    metadata: null,
    ...fields,
  };
}

export function observation(nodeName: string, id: unknown, fields: Partial<Observation> = {}): Observation {
  return {
    node: nodeName,
    at: at(0),
    id,
    text: `text ${String(id)}`,
    confidence: 0.8,
    type: 'general',
    related_sources: null,
    ...fields,
  };
}

export function memory(nodeName: string, id: unknown, fields: Partial<Memory> = {}): Memory {
  return {
    node: nodeName,
    at: at(0),
    id,
    text: `fact ${String(id)}`,
    confidence: 0.8,
    times_confirmed: 1,
    created_at: null,
    updated_at: null,
    ...fields,
  };
}

export function event(id: number, nodeName: string | null, seconds: number): ClusterEvent {
  return {
    id,
    at: at(seconds),
    node: nodeName,
    from: 'online',
    to: 'stale',
    cause: 'late',
    reason: 'no heartbeat',
  };
}

export function frame(type: Frame['type'], revision: number, fields: Partial<Frame> = {}): Frame {
  return { type, instance: 'one', revision, timestamp: at(revision), ...fields };
}

/** The model after these frames. */
export function after(...frames: Frame[]): Model {
  return frames.reduce(
    (model, one) => reduce(model, { type: 'frame', frame: one, receivedMs: T0 }),
    emptyModel,
  );
}

export class FakeSocket implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((text: string) => void) | null = null;
  onclose: ((code: number) => void) | null = null;
  closed = false;
  close(): void {
    this.closed = true;
  }
  say(value: unknown): void {
    this.onmessage?.(typeof value === 'string' ? value : JSON.stringify(value));
  }
}

/** A world for the feed: sockets it opened, requests it made, timers it set, and what it told the page. */
export class World implements Ports, Sink {
  sockets: FakeSocket[] = [];
  asked: string[] = [];
  actions: Action[] = [];
  states: Connection[] = [];
  model: Model = emptyModel;
  choice: string | null = null;
  time = T0;
  /** What GET answers; null: no answer, until it is aborted. */
  answer: ((path: string) => unknown) | null = null;
  private timers: { at: number; run: () => void }[] = [];

  openSocket(): Socket {
    const socket = new FakeSocket();
    this.sockets.push(socket);
    return socket;
  }
  get(path: string, signal: AbortSignal): Promise<unknown> {
    this.asked.push(path);
    if (this.answer !== null) {
      const { answer } = this;
      return Promise.resolve().then(() => answer(path));
    }
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new HttpError(0, 'no answer in time')));
    });
  }
  parse(text: string): unknown {
    return JSON.parse(text);
  }
  now(): number {
    return this.time;
  }
  random(): number {
    return 1;
  }
  after(ms: number, run: () => void): unknown {
    const timer = { at: this.time + ms, run };
    this.timers.push(timer);
    return timer;
  }
  cancel(timer: unknown): void {
    this.timers = this.timers.filter((one) => one !== timer);
  }
  dispatch(action: Action): void {
    this.actions.push(action);
    this.model = reduce(this.model, action);
  }
  connection(state: Connection): void {
    this.states.push(state);
  }
  nodes(): Model['nodes'] {
    return this.model.nodes;
  }
  chosen(): string | null {
    return this.choice;
  }

  get socket(): FakeSocket {
    const last = this.sockets[this.sockets.length - 1];
    if (last === undefined) throw new Error('no socket was opened');
    return last;
  }
  get state(): Connection {
    const last = this.states[this.states.length - 1];
    if (last === undefined) throw new Error('nothing was said about the connection');
    return last;
  }
  /** Lets time pass, running what is due in its order, and everything that waits for an answer in between. */
  async pass(ms: number): Promise<void> {
    const until = this.time + ms;
    for (;;) {
      await settle();
      const next = this.timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.cancel(next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = until;
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve();
}

/** The cluster API of a cluster with these nodes and nothing else. */
export function apiOf(nodes: ClusterNode[]): (path: string) => unknown {
  return (path) => {
    if (path === 'nodes') return { timestamp: at(100), nodes };
    if (path === 'readings') return { nodes: {}, readings: nodes.map((one) => reading(one.name, 'a:b', 7)) };
    if (path.startsWith('observations')) return { observations: [] };
    if (path.startsWith('memories')) return { memories: [] };
    if (path === 'stats') return { nodes: { total: nodes.length }, totals: { readings: 1 }, by_node: {} };
    if (path.startsWith('events')) return { events: [] };
    if (path === '../health') return { status: 'ok', broker_down_since: null };
    throw new HttpError(404, `unexpected ${path}`);
  };
}
