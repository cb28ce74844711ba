// A node's agent as the contract has it, spoken by hand.
import { randomBytes } from 'node:crypto';

const now = () => new Date().toISOString();
const naive = () => now().slice(0, -1);

/** Speaks for one node on MQTT as an agent does. Nodes here keep their clocks in UTC. */
export class FakeAgent {
  constructor(stack, node, { type = 'alpaca', intervalS = 60 } = {}) {
    Object.assign(this, {
      stack,
      node,
      type,
      intervalS,
      session: randomBytes(8).toString('hex'),
      beats: 0,
      seq: {},
    });
  }

  online() {
    this.stack.publish(
      `alpaca/${this.node}/status`,
      JSON.stringify({ state: 'online', session: this.session, at: now() }),
    );
    this.heartbeat();
    return this;
  }

  heartbeat() {
    this.beats += 1;
    const snapshots = Object.fromEntries(
      Object.entries(this.seq).map(([kind, seq]) => [
        kind,
        { seq, captured_at: now(), interval_s: 60, error: null },
      ]),
    );
    this.stack.publish(
      `alpaca/${this.node}/health`,
      JSON.stringify({
        v: 1,
        node: this.node,
        type: this.type,
        session: this.session,
        seq: this.beats,
        at: now(),
        version: '0.1.0',
        uptime_s: this.beats,
        interval_s: this.intervalS,
        url: null,
        utc_offset_s: 0,
        labels: { room: 'test' },
        source: {
          kind: 'smollama',
          node_name: this.node,
          ok: true,
          error: null,
          since: now(),
          latency_ms: 3,
        },
        snapshots,
      }),
    );
  }

  /** `body` is text: it goes out byte for byte. */
  report(kind, body) {
    this.seq[kind] = (this.seq[kind] ?? 0) + 1;
    const head = JSON.stringify({
      v: 1,
      node: this.node,
      kind,
      session: this.session,
      seq: this.seq[kind],
      captured_at: now(),
      utc_offset_s: 0,
    });
    this.stack.publish(`alpaca/${this.node}/${kind}`, `${head.slice(0, -1)},"body":${body}}`);
    return this;
  }

  /** `values` by full_id: a value, or `{ value, unit, metadata }`. */
  readings(values) {
    const readings = Object.entries(values).map(([full_id, given]) => {
      const item = typeof given === 'object' && given !== null && 'value' in given ? given : { value: given };
      return {
        full_id,
        value: item.value,
        unit: item.unit ?? null,
        timestamp: naive(),
        metadata: item.metadata ?? null,
      };
    });
    return this.report('readings', JSON.stringify({ timestamp: naive(), readings }));
  }

  observations(list) {
    const observations = list.map((item, i) => ({
      id: i + 1,
      timestamp: naive(),
      confidence: 0.8,
      type: 'general',
      related_sources: null,
      similarity: null,
      ...item,
    }));
    return this.report(
      'observations',
      JSON.stringify({ query: '', hours: 0, count: observations.length, observations }),
    );
  }

  memories(list) {
    const created_at = naive().replace('T', ' ').slice(0, 19);
    const memories = list.map((item, i) => ({
      id: i + 1,
      confidence: 0.8,
      times_confirmed: 1,
      created_at,
      updated_at: created_at,
      similarity: 0.5,
      ...item,
    }));
    return this.report('memories', JSON.stringify({ query: '', count: memories.length, memories }));
  }

  stats(counts) {
    return this.report(
      'stats',
      JSON.stringify({
        node_name: this.node,
        timestamp: naive(),
        readings_count: 0,
        observations_count: 0,
        memories_count: 0,
        db_size_mb: 0.1,
        vector_search_enabled: false,
        source_types: ['system'],
        source_count: 1,
        ...counts,
      }),
    );
  }
}
