// A small cluster made of recorded answers of Smollama nodes, in every state a node can be in, with values
// that move.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const STATES = ['online', 'degraded', 'stale', 'unreachable', 'unknown'];

const iso = (ms) => new Date(ms).toISOString();

export class Cluster {
  constructor(fixtures, { extra = 0, now = Date.now() } = {}) {
    this.instance = Math.random().toString(16).slice(2, 10);
    this.revision = 1;
    this.nodes = new Map();
    this.readings = new Map();
    this.observations = [];
    this.memories = [];
    this.events = [];
    /** The incident of llamad's own clock; null: it is right. */
    this.ownClock = null;
    this.byNode = {};
    this.brokerDownSince = null;
    this.load(fixtures, now);
    for (let i = 1; i <= extra; i++) this.extra(`pi-${i}`, now);
  }

  /** An hour of a reading that looks like one: `name` is `node/full_id`. */
  history(name, now = Date.now()) {
    const cut = name.indexOf('/');
    const [node, source] = [name.slice(0, cut), name.slice(cut + 1)];
    const reading = this.readings.get(node)?.get(source);
    if (reading === undefined) return { node, source, unit: null, points: null };
    if (typeof reading.value !== 'number') return { node, source, unit: reading.unit, points: [] };
    const seed = [...name].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 997, 7);
    const wave = (i) => reading.value + Math.sin(i / (5 + (seed % 9))) * (1 + (seed % 5)) * (i > 118 ? 0 : 1);
    const points = Array.from({ length: 120 }, (_, i) => [now - (119 - i) * 30_000, i === 40 ? null : wave(i)]);
    return { node, source, unit: reading.unit, points };
  }

  load(fixtures, now) {
    const read = (node, kind) => {
      try {
        return JSON.parse(readFileSync(join(fixtures, node, `${kind}.json`), 'utf8'));
      } catch {
        return {};
      }
    };
    const add = (name, from, fields, quietMs = 2000) => {
      this.node(name, { source: { kind: 'smollama', ok: true, error: null }, ...fields }, now - quietMs);
      this.take(name, read(from, 'readings').readings ?? [], now - quietMs);
      const shift = now - Date.parse('2026-11-23T07:56:40Z') - quietMs;
      for (const [kind, at] of [
        ['observations', 'timestamp'],
        ['memories', 'created_at'],
      ]) {
        for (const item of read(from, `${kind}_all`)[kind] ?? []) {
          this[kind].push({
            node: name,
            at: iso(Date.parse(`${item[at].replace(' ', 'T')}Z`) + shift),
            ...item,
          });
        }
      }
      const stats = read(from, 'stats');
      this.byNode[name] = { ...stats, node_name: name };
    };
    add(
      'attic',
      'empty',
      { type: 'llama', labels: { role: 'master' }, url: 'http://192.168.1.5:8080' },
      1000,
    );
    add('kitchen', 'kitchen', {
      type: 'alpaca',
      labels: { room: 'kitchen', floor: 0 },
      url: 'http://192.168.1.10:8080',
    });
    add('greenhouse', 'noreadings', {
      type: 'alpaca',
      status: 'degraded',
      cause: 'endpoint_error',
      url: 'http://192.168.1.11:8080',
      reason: '/api/readings has failed since 07:41:03: HTTP 503 (2 fetches in a row)',
    });
    add(
      'workshop',
      'kitchen',
      {
        type: 'alpaca',
        status: 'unreachable',
        cause: 'no_answer',
        via: null,
        url: 'http://192.168.1.12:8080',
        reason:
          'no heartbeat since 07:12:55, and http://192.168.1.12:8080 refused the connection at 07:56:40',
      },
      2_650_000,
    );
    add(
      'pi garage 温度',
      'nostore',
      {
        type: 'alpaca',
        status: 'stale',
        cause: 'late',
        via: null,
        reason: 'no heartbeat for 31 s (expected every 10 s); asking over HTTP',
      },
      31_000,
    );
    add(
      'cellar',
      'empty',
      {
        type: 'alpaca',
        via: 'http',
        cause: 'agent_down',
        reason: 'the agent was stopped at 07:50:12; Smollama answers over HTTP',
        latency_ms: 23.4,
        url: 'http://192.168.1.14:8080',
      },
      21_000,
    );
    this.edge(fixtures, now);
    this.node(
      'north-wall',
      {
        type: 'alpaca',
        status: 'unknown',
        cause: 'starting',
        via: null,
        reason: 'just started, nothing heard yet',
      },
      null,
    );
    this.byNode['north-wall'] = null;
    this.event(
      now - 2_640_000,
      'workshop',
      'stale',
      'unreachable',
      'no_answer',
      'no heartbeat since 07:12:55, HTTP refused',
    );
    this.event(
      now - 900_000,
      'greenhouse',
      'online',
      'degraded',
      'endpoint_error',
      '/api/readings: HTTP 503',
    );
    this.event(
      now - 86_400_000,
      null,
      'online',
      'unknown',
      'broker_down',
      'the broker could not be reached for 41 s',
    );
  }

  edge(fixtures, now) {
    this.node(
      'edge-types',
      { type: 'edge', via: 'edge', url: null, source: null, version: null },
      now - 9000,
    );
    const line = readFileSync(join(fixtures, 'edge', 'edge-types.readings.txt'), 'utf8').split('\n')[0];
    // Numbers beyond a double must reach the page with their digits: they are put back as they stood.
    const digits = /("value": )(\d{16,})/g;
    this.raw = new Map();
    const text = line.slice(line.indexOf('{')).replace(digits, (_all, head, number) => {
      this.raw.set(`@${number}@`, number);
      return `${head}"@${number}@"`;
    });
    const readings = JSON.parse(text).readings.map(({ source, value, unit, ts }) => ({
      full_id: source ?? 'unknown',
      value,
      unit,
      timestamp: ts,
      metadata: null,
    }));
    this.take('edge-types', readings, now - 9000);
    this.byNode['edge-types'] = null;
  }

  extra(name, now) {
    this.node(name, { type: 'alpaca' }, now);
    const readings = Array.from({ length: 20 }, (_, i) => ({
      full_id: `probe:value_${i}`,
      value: Math.round(Math.random() * 1000) / 10,
      unit: 'celsius',
      timestamp: iso(now),
      metadata: null,
    }));
    this.take(name, readings, now);
    this.byNode[name] = { node_name: name, readings_count: 20, observations_count: 0, memories_count: 0 };
  }

  node(name, fields, seenMs) {
    this.nodes.set(name, {
      name,
      type: 'alpaca',
      url: null,
      status: 'online',
      cause: null,
      reason: null,
      via: 'mqtt',
      last_seen: seenMs === null ? null : iso(seenMs),
      age_s: null,
      since: iso((seenMs ?? Date.now()) - 60_000),
      discovered_by: ['mqtt'],
      version: '0.1.0',
      uptime_s: 86_400,
      latency_ms: null,
      clock_skew_s: null,
      labels: {},
      counts: { readings: 0, observations: null, memories: null },
      captured_at: seenMs === null ? null : iso(seenMs),
      confirmed_at: seenMs === null ? null : iso(seenMs),
      ...fields,
    });
  }

  take(node, readings, ms) {
    const own = new Map();
    for (const reading of readings) own.set(reading.full_id, { node, at: iso(ms), ...reading });
    this.readings.set(node, own);
    const info = this.nodes.get(node);
    info.counts = { ...info.counts, readings: own.size };
  }

  event(ms, node, from, to, cause, reason) {
    this.events.unshift({ id: this.events.length + 1, at: iso(ms), node, from, to, cause, reason });
    return this.events[0];
  }

  stats() {
    const nodes = { total: this.nodes.size };
    for (const state of STATES)
      nodes[state] = [...this.nodes.values()].filter((node) => node.status === state).length;
    const sum = (key) => Object.values(this.byNode).reduce((all, own) => all + (own?.[key] ?? 0), 0);
    let sources = 0;
    for (const own of this.readings.values()) sources += own.size;
    const totals = {
      readings: sum('readings_count'),
      observations: sum('observations_count'),
      memories: sum('memories_count'),
      sources,
    };
    return { nodes, totals, by_node: this.byNode };
  }

  allReadings() {
    return [...this.readings.values()].flatMap((own) => [...own.values()]);
  }

  newest(kind, node, limit, params = new URLSearchParams()) {
    const [query, type, hours] = ['query', 'obs_type', 'hours'].map((key) => params.get(key) ?? '');
    const since = hours && iso(Date.now() - hours * 3_600_000);
    const list = this[kind].filter(
      (item) =>
        (!node || item.node === node) &&
        item.text.toLowerCase().includes(query.toLowerCase()) &&
        (!type || item.type === type) &&
        (!since || item.at >= since),
    );
    return list.sort((a, b) => (a.at < b.at ? 1 : -1)).slice(0, limit);
  }

  /** The envelope of every frame. */
  frame(type, fields) {
    return {
      type,
      instance: this.instance,
      revision: this.revision,
      timestamp: iso(Date.now()),
      broker_down_since: this.brokerDownSince,
      incidents: this.ownClock === null ? [] : [this.ownClock],
      ...fields,
    };
  }

  snapshot() {
    return this.frame('snapshot', {
      nodes: [...this.nodes.values()],
      readings: this.allReadings(),
      stats: this.stats(),
      events: this.events.slice(0, 50),
      observations: this.newest('observations', null, 200),
      memories: this.newest('memories', null, 200),
    });
  }

  /**
   * Moves some values of the living nodes on; the delta that tells of it. `only` bounds how many nodes move.
   */
  step(only = 5) {
    const now = Date.now();
    const alive = [...this.nodes.values()].filter((node) => node.via !== null && node.type !== 'edge');
    const movers = alive.sort(() => Math.random() - 0.5).slice(0, only);
    const readings = [];
    for (const node of movers) {
      node.last_seen = node.captured_at = node.confirmed_at = iso(now);
      for (const [id, reading] of this.readings.get(node.name) ?? []) {
        if (typeof reading.value !== 'number' || reading.unit === 'boolean' || reading.unit === 'count')
          continue;
        const moved = {
          ...reading,
          at: iso(now),
          value: Math.round((reading.value + Math.random() * 2 - 0.9) * 10) / 10,
        };
        this.readings.get(node.name).set(id, moved);
        readings.push(moved);
      }
    }
    this.revision += 1;
    return this.frame('delta', { nodes: movers, readings });
  }

  /** One value, set by hand. */
  set(node, fullId, value) {
    const reading = {
      ...this.readings.get(node)?.get(fullId),
      node,
      full_id: fullId,
      value,
      at: iso(Date.now()),
    };
    this.readings.get(node)?.set(fullId, reading);
    this.revision += 1;
    return this.frame('delta', { readings: [reading] });
  }

  /** Observations that a node made just now. */
  observe(node, text, count, type) {
    const observations = Array.from({ length: count }, (_, i) => ({
      node,
      at: iso(Date.now() - i),
      id: `${this.revision}-${i}`,
      text: count > 1 ? `${text} ${i}` : text,
      confidence: 0.8,
      type,
      related_sources: null,
    }));
    this.observations.push(...observations);
    this.revision += 1;
    return this.frame('delta', { observations });
  }

  /** A node's state, set by hand, with the event that goes with it. */
  state(name, status, cause, reason) {
    const node = this.nodes.get(name);
    const event = this.event(Date.now(), name, node.status, status, cause, reason);
    Object.assign(node, {
      status,
      cause,
      reason,
      via: STATES.indexOf(status) < 2 ? 'mqtt' : null,
      since: event.at,
    });
    this.revision += 1;
    return this.frame('delta', { nodes: [node], events: [event], stats: { ...this.stats(), by_node: {} } });
  }

  /** The broker's link went down, or up again. */
  broker(down) {
    this.brokerDownSince = down ? iso(Date.now()) : null;
    this.revision += 1;
    return this.frame('delta', {});
  }

  clock(wrong) {
    const reason = '7 of 8 nodes say that this clock is 42 s ahead';
    this.ownClock = wrong ? { cause: 'own_clock', since: iso(Date.now()), reason } : null;
    this.revision += 1;
    return this.frame('delta', {});
  }

  /** All that a node's state rests on. */
  detail(name, now = Date.now()) {
    const node = this.nodes.get(name);
    if (node === undefined) return null;
    const edge = node.type === 'edge';
    const lost = node.status === 'unreachable';
    const failing = node.cause === 'endpoint_error';
    const kinds = ['stats', 'readings', 'observations', 'memories'];
    const each = (make) => Object.fromEntries(kinds.map((kind) => [kind, make(kind)]));
    const error = (kind) => (failing && kind === 'readings' ? 'HTTP 503' : null);
    return {
      timestamp: iso(now),
      ...node,
      evidence: {
        manual: name === 'attic',
        has_url: node.url !== null,
        agent: {
          ever: !edge,
          heartbeat_at: edge ? null : node.last_seen,
          interval_s: 10,
          presence: edge ? null : lost ? 'will' : 'online',
          presence_at: edge ? null : node.last_seen,
          presence_replayed: false,
          duplicate: false,
        },
        source: { known: !edge, ok: !failing, answers: true, error: failing ? 'HTTP 503' : null, since: node.since },
        snapshots: each((kind) => ({
          present: true,
          error: error(kind),
          error_since: null,
          error_fetches: error(kind) ? 2 : 0,
          age_from: node.last_seen,
          interval_s: 30,
        })),
        probe: {
          outcome: lost ? 'failed' : null,
          pending: false,
          ever_ok: false,
          ever_answered: false,
          error: lost ? 'connection refused' : null,
          at: lost ? iso(now - 20_000) : null,
          ok_at: null,
          failures: lost ? 4 : 0,
        },
        edge: { ever: edge, message_at: edge ? node.last_seen : null, interval_s: edge ? 5 : null },
        sightings: [],
        frozen: false,
        clock_skewed: false,
        frozen_detail: null,
      },
      rejects: edge ? { bad_json: 3 } : {},
      last_reject: edge ? 'not JSON at byte 12' : null,
      snapshots: each((kind) => ({ origin: edge ? 'edge' : 'agent', error: error(kind) })),
      sessions: edge ? [] : ['5f0e11aa22bb33cc'],
      superseded: [],
    };
  }

  forget(name) {
    this.nodes.delete(name);
    this.readings.delete(name);
    delete this.byNode[name];
    this.observations = this.observations.filter((item) => item.node !== name);
    this.memories = this.memories.filter((item) => item.node !== name);
    this.revision += 1;
    return this.frame('delta', { stats: { ...this.stats(), by_node: {} }, removed: { nodes: [name] } });
  }

  text(value) {
    let text = JSON.stringify(value);
    for (const [marker, digits] of this.raw) text = text.split(`"${marker}"`).join(digits);
    return text;
  }
}
