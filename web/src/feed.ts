// Keeps the model fed. Owns the one live socket: connects, watches it, backs off with jitter when it is lost,
// and until it is back asks the cluster API every few seconds instead. Everything it touches comes in through
// `Ports`.
import { isFrame } from './wire';
import type { ClusterNode, Frame, Memory, Observation, Polled } from './wire';
import { POLLED_ITEMS, follows } from './state';
import type { Action, Seen } from './state';

export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((text: string) => void) | null;
  onclose: ((code: number) => void) | null;
  close(): void;
}

/** An HTTP answer that is no good: `status` 0 means that none came. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** When a 429 says that it may be asked again; 0 if it does not. */
    readonly retryAfterS = 0,
  ) {
    super(message);
  }
}

export interface Ports {
  openSocket(): Socket;
  /** GETs `path` below /api/cluster/; rejects with HttpError, also when `signal` aborts. */
  get(path: string, signal: AbortSignal): Promise<unknown>;
  parse(text: string): unknown;
  now(): number;
  random(): number;
  after(ms: number, run: () => void): unknown;
  cancel(timer: unknown): void;
}

export type Polling =
  { state: 'waiting' } | { state: 'ok'; at: number } | { state: 'failed'; status: number; error: string };

export type Connection =
  | { phase: 'connecting' }
  | { phase: 'live' }
  /** Nobody looks: only the counts of nodes by state are asked for, now and then. */
  | { phase: 'paused'; counts: Readonly<Record<string, number>> | null }
  /** `retryAt` null: an attempt is under way. */
  | { phase: 'lost'; since: number; why: string; retryAt: number | null; polling: Polling };

export interface Sink {
  dispatch(action: Action): void;
  connection(state: Connection): void;
  /** The nodes as the page shows them now. */
  nodes(): ReadonlyMap<string, ClusterNode>;
  /** The node that is chosen in the drop-down. */
  chosen(): string | null;
}

export const TIMES = {
  /** A socket that has no snapshot by then is given up. */
  connectMs: 10_000,
  /** A page that has nothing by then starts polling beside the attempt. */
  firstPollMs: 2_000,
  /** A socket silent for as long is checked against the API. */
  silentMs: 30_000,
  /** What the check finds must have come over the socket within this time. */
  graceMs: 3_000,
  pollMs: 5_000,
  requestMs: 8_000,
  backoffMs: 1_000,
  backoffMaxMs: 30_000,
  /** A connection that held this long starts the back-off anew. */
  steadyMs: 10_000,
  /** So long after the page was hidden the feed pauses, and asks for no more than the counts. */
  pauseMs: 30_000,
  countsMs: 20_000,
} as const;

/** Full jitter on the upper half: many pages that lost the same llamad do not come back in step. */
export function backoff(attempt: number, random: number): number {
  const full = Math.min(TIMES.backoffMaxMs, TIMES.backoffMs * 2 ** attempt);
  return full / 2 + (full / 2) * random;
}

type Timer = 'connect' | 'retry' | 'silence' | 'poll' | 'pause';

export class Feed {
  private socket: Socket | null = null;
  private seen: Seen | null = null;
  private state: Connection = { phase: 'connecting' };
  private attempt = 0;
  private liveSince = 0;
  private lastFrame = 0;
  /** When a socket that says nothing more is checked. */
  private silentAt = 0;
  private stopped = true;
  private polls: AbortController | null = null;
  private readonly timers = new Map<Timer, unknown>();

  constructor(
    private readonly ports: Ports,
    private readonly sink: Sink,
  ) {}

  start(): void {
    this.stopped = false;
    this.open();
    this.timer('poll', TIMES.firstPollMs, () => void this.poll());
  }

  /** Ends everything; the feed can be started again. */
  stop(): void {
    this.stopped = true;
    this.closeSocket();
    this.stopPolling();
    for (const name of [...this.timers.keys()]) this.clear(name);
  }

  /**
   * The page was hidden, or shown again. A hidden one stays live for a moment (people switch back and forth),
   * then it costs llamad and this computer next to nothing.
   */
  visible(shown: boolean): void {
    if (this.stopped) return;
    if (!shown) return this.timer('pause', TIMES.pauseMs, () => this.pause());
    this.clear('pause');
    if (this.state.phase === 'paused') this.start();
    else this.checkNow();
  }

  private pause(): void {
    this.closeSocket();
    this.stopPolling();
    for (const name of [...this.timers.keys()]) this.clear(name);
    this.say({ phase: 'paused', counts: null });
    void this.count();
  }

  private async count(): Promise<void> {
    const abort = new AbortController();
    this.polls = abort;
    const timeout = this.ports.after(TIMES.requestMs, () => abort.abort());
    let counts: Record<string, number> | null = null;
    try {
      const health = (await this.ports.get('../health', abort.signal)) as { nodes?: Record<string, number> };
      counts = health.nodes ?? null;
    } catch {
      // Nobody knows, and the page does not say otherwise.
    } finally {
      this.ports.cancel(timeout);
    }
    if (this.polls !== abort || this.state.phase !== 'paused') return;
    this.polls = null;
    this.say({ phase: 'paused', counts });
    this.timer('pause', TIMES.countsMs, () => void this.count());
  }

  /** The reader does not want to wait for the back-off. */
  retryNow(): void {
    if (this.stopped || this.state.phase !== 'lost' || this.state.retryAt === null) return;
    this.open();
  }

  /**
   * The page was looked at again after a while, or the network came back: a socket that died meanwhile should not
   * look alive, and a back-off that a hidden page stretched should not be waited for.
   */
  checkNow(): void {
    this.retryNow();
    if (this.state.phase === 'live' && this.ports.now() - this.lastFrame > TIMES.graceMs) void this.check();
  }

  /** The snapshot has the newest items of all nodes; this asks for those of one node that was chosen. */
  async fill(node: string): Promise<void> {
    if (!this.sink.nodes().has(node)) return;
    const abort = new AbortController();
    const timer = this.ports.after(TIMES.requestMs, () => abort.abort());
    try {
      const [observations, memories] = await Promise.all([
        this.ports.get(itemsPath('observations', node), abort.signal),
        this.ports.get(itemsPath('memories', node), abort.signal),
      ]);
      this.sink.dispatch({
        type: 'items',
        observations: listOf<Observation>(observations, 'observations'),
        memories: listOf<Memory>(memories, 'memories'),
      });
    } catch {
      // What is loaded stays; the connection's own state tells whether llamad can be reached.
    } finally {
      this.ports.cancel(timer);
    }
  }

  private timer(name: Timer, ms: number, run: () => void): void {
    this.clear(name);
    this.timers.set(
      name,
      this.ports.after(ms, () => {
        this.timers.delete(name);
        run();
      }),
    );
  }

  private clear(name: Timer): void {
    if (this.timers.has(name)) this.ports.cancel(this.timers.get(name));
    this.timers.delete(name);
  }

  private say(state: Connection): void {
    this.state = state;
    this.sink.connection(state);
  }

  private open(): void {
    this.clear('retry');
    this.closeSocket();
    if (this.state.phase === 'paused') this.stopPolling();
    this.seen = null;
    if (this.state.phase === 'lost') this.say({ ...this.state, retryAt: null });
    else this.say({ phase: 'connecting' });
    let socket: Socket;
    try {
      socket = this.ports.openSocket();
    } catch (error) {
      this.lost(error instanceof Error ? error.message : String(error));
      return;
    }
    this.socket = socket;
    socket.onmessage = (text) => this.message(text);
    socket.onclose = (code) => this.lost(code === 1001 ? 'llamad is going away' : 'connection closed');
    this.timer('connect', TIMES.connectMs, () => this.lost('no answer'));
  }

  private closeSocket(): void {
    if (this.socket === null) return;
    this.socket.onmessage = this.socket.onclose = this.socket.onopen = null;
    this.socket.close();
    this.socket = null;
  }

  private message(text: string): void {
    let frame: unknown;
    try {
      frame = this.ports.parse(text);
    } catch {
      frame = null;
    }
    if (!isFrame(frame)) return this.lost('unreadable frame');
    if (!follows(this.seen, frame)) return this.lost('out of step');
    this.accept(frame);
  }

  private accept(frame: Frame): void {
    const now = this.ports.now();
    this.seen = { instance: frame.instance, revision: frame.revision, more: frame.more === true };
    this.lastFrame = now;
    if (frame.more !== true) this.clear('connect');
    this.silentAt = now + TIMES.silentMs;
    if (!this.timers.has('silence')) this.listen();
    if (this.state.phase === 'live' && now - this.liveSince > TIMES.steadyMs) this.attempt = 0;
    this.stopPolling();
    this.sink.dispatch({ type: 'frame', frame, receivedMs: now });
    if (this.state.phase !== 'live' && frame.more !== true) {
      this.liveSince = now;
      this.say({ phase: 'live' });
      const node = this.sink.chosen();
      if (node !== null) void this.fill(node);
    }
  }

  private lost(why: string): void {
    if (this.stopped) return;
    this.closeSocket();
    this.clear('connect');
    this.clear('silence');
    const now = this.ports.now();
    if (this.state.phase === 'live' && now - this.liveSince > TIMES.steadyMs) this.attempt = 0;
    const delay = backoff(this.attempt, this.ports.random());
    this.attempt += 1;
    const before = this.state.phase === 'lost' ? this.state : null;
    this.say({
      phase: 'lost',
      since: before?.since ?? now,
      why,
      retryAt: now + delay,
      polling: before?.polling ?? { state: 'waiting' },
    });
    this.timer('retry', delay, () => this.open());
    if (this.polls === null && (before === null || !this.timers.has('poll'))) void this.poll();
  }

  // ---- silence --------------------------------------------------------------------------------------------

  /** Hundreds of frames a second move the deadline; the timer looks for it only when the last one has passed. */
  private listen(): void {
    this.timer('silence', Math.max(0, this.silentAt - this.ports.now()), () => {
      if (this.ports.now() < this.silentAt) this.listen();
      else void this.check();
    });
  }

  /**
   * A browser does not show pings, and a quiet cluster sends nothing: only the API tells a dead socket from a
   * quiet one.
   */
  private async check(): Promise<void> {
    const socket = this.socket;
    const heardAt = this.lastFrame;
    const same = (): boolean => !this.stopped && this.socket === socket && this.lastFrame === heardAt;
    const before = this.sink.nodes();
    const abort = new AbortController();
    const timeout = this.ports.after(TIMES.requestMs, () => abort.abort());
    let answer: ClusterNode[];
    try {
      answer = listOf<ClusterNode>(await this.ports.get('nodes', abort.signal), 'nodes');
    } catch {
      if (same()) this.lost('no answer');
      return;
    } finally {
      this.ports.cancel(timeout);
    }
    if (!same()) return;
    this.timer('silence', TIMES.graceMs, () => {
      if (same() && differ(before, answer)) return this.lost('connection silent');
      this.silentAt = Math.max(this.silentAt, this.ports.now() + TIMES.silentMs);
      this.listen();
    });
  }

  // ---- polling --------------------------------------------------------------------------------------------

  private stopPolling(): void {
    this.clear('poll');
    this.polls?.abort();
    this.polls = null;
  }

  private async poll(): Promise<void> {
    this.clear('poll');
    const abort = new AbortController();
    this.polls = abort;
    const started = this.ports.now();
    const timeout = this.ports.after(TIMES.requestMs, () => abort.abort());
    let polling: Polling;
    try {
      const answers = await this.askAll(abort.signal);
      if (this.polls !== abort) return;
      const now = this.ports.now();
      this.sink.dispatch({ type: 'polled', answers, receivedMs: now });
      polling = { state: 'ok', at: now };
    } catch (error) {
      if (this.polls !== abort) return;
      abort.abort();
      polling =
        error instanceof HttpError
          ? { state: 'failed', status: error.status, error: error.message }
          : { state: 'failed', status: 0, error: String(error) };
    } finally {
      this.ports.cancel(timeout);
    }
    this.polls = null;
    if (this.stopped) return;
    if (this.state.phase === 'lost') this.say({ ...this.state, polling });
    // A big cluster on a slow line is not asked all the time.
    const pause = Math.max(TIMES.pollMs, 4 * (this.ports.now() - started));
    this.timer('poll', pause, () => void this.poll());
  }

  private async askAll(signal: AbortSignal): Promise<Polled> {
    const node = this.sink.chosen();
    const items = async <T>(kind: 'observations' | 'memories'): Promise<T[]> => {
      const [all, own] = await Promise.all([
        this.ports.get(itemsPath(kind, null), signal),
        node !== null && this.sink.nodes().has(node) ? this.ownItems(kind, node, signal) : { [kind]: [] },
      ]);
      return [...listOf<T>(all, kind), ...listOf<T>(own, kind)];
    };
    const [nodes, readings, observations, memories, stats, events, health] = await Promise.all([
      this.ports.get('nodes', signal),
      this.ports.get('readings', signal),
      items<Observation>('observations'),
      items<Memory>('memories'),
      this.ports.get('stats', signal),
      this.ports.get('events?limit=50', signal),
      this.ports.get('../health', signal),
    ]);
    // The rest is used as it came.
    listOf(nodes, 'nodes');
    listOf(readings, 'readings');
    listOf(events, 'events');
    return {
      nodes: withCapturedAt(nodes as Polled['nodes'], readings),
      readings: readings as Polled['readings'],
      observations: { observations },
      memories: { memories },
      stats: stats as Polled['stats'],
      events: events as Polled['events'],
      health: (health ?? {}) as Polled['health'],
    };
  }

  /** A node that was forgotten meanwhile has no items; that is no reason to do without the others. */
  private async ownItems(
    kind: 'observations' | 'memories',
    node: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    try {
      return await this.ports.get(itemsPath(kind, node), signal);
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) return { [kind]: [] };
      throw error;
    }
  }
}

function itemsPath(kind: 'observations' | 'memories', node: string | null): string {
  return `${kind}?limit=${POLLED_ITEMS}${node === null ? '' : `&node=${encodeURIComponent(node)}`}`;
}

export function listOf<T>(answer: unknown, key: string): T[] {
  const list =
    typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>)[key] : undefined;
  if (!Array.isArray(list)) throw new HttpError(200, `the answer has no ${key}`);
  return list as T[];
}

/** Over HTTP a node's `captured_at` may come with the readings only. */
function withCapturedAt(nodes: Polled['nodes'], readings: unknown): Polled['nodes'] {
  const said = new Map(
    Object.entries((readings as { nodes?: Record<string, { captured_at?: string | null }> }).nodes ?? {}),
  );
  return {
    ...nodes,
    nodes: nodes.nodes.map((node) => ({
      ...node,
      captured_at: node.captured_at ?? said.get(node.name)?.captured_at ?? null,
    })),
  };
}

/** True if the API knows something about the nodes that the socket should have brought. */
function differ(known: ReadonlyMap<string, ClusterNode>, now: readonly ClusterNode[]): boolean {
  if (known.size !== now.length) return true;
  return now.some((node) => {
    const old = known.get(node.name);
    return (
      old === undefined ||
      old.status !== node.status ||
      old.since !== node.since ||
      old.last_seen !== node.last_seen
    );
  });
}
