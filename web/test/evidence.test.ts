import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evidence } from '../src/evidence';

const AT = '2026-11-23T08:00:00.000Z';

function detail(change: Record<string, unknown> = {}, own: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    timestamp: '2026-11-23T08:00:12.000Z',
    clock_skew_s: 0.1,
    evidence: {
      has_url: false,
      agent: { ever: true, heartbeat_at: AT, interval_s: 10, presence: 'online', presence_at: AT },
      source: { known: true, ok: true, answers: true, error: null, since: AT },
      snapshots: { readings: { present: true, error: null, error_fetches: 0, age_from: AT, interval_s: 30 } },
      probe: { outcome: null, pending: false, failures: 0 },
      edge: { ever: false },
      sightings: [],
      ...own,
    },
    rejects: {},
    snapshots: { readings: { origin: 'agent' } },
    sessions: ['s1'],
    superseded: [],
    ...change,
  };
}

const find = (title: string, ...args: Parameters<typeof detail>) =>
  evidence(detail(...args)).filter((one) => one.title === title);

test('evidence_stands_in_the_order_in_which_it_weighs', () => {
  assert.deepEqual(
    evidence(detail()).map((one) => one.title),
    ['Heartbeat', 'Status', 'HTTP', 'Clock', 'Smollama', 'Readings', 'Session'],
  );
  assert.ok(evidence(detail()).every((one) => one.good !== false));
});

test('heartbeat_that_is_overdue_speaks_against_the_node', () => {
  const agent = { ever: true, heartbeat_at: AT, interval_s: 2 };
  assert.deepEqual(find('Heartbeat', {}, { agent }), [
    { title: 'Heartbeat', good: false, text: 'last one heard, every 2 s', at: AT },
  ]);
  assert.equal(find('Heartbeat', {}, { agent: { ever: false } })[0]!.good, null);
});

test('last_will_and_failed_probe_are_told_in_words', () => {
  const agent = { ever: true, presence: 'will', presence_at: AT, presence_replayed: true };
  assert.match(find('Status', {}, { agent })[0]!.text, /last will.*kept/);
  const probe = { outcome: 'failed', error: 'connection refused', failures: 3, at: AT };
  assert.deepEqual(find('HTTP', {}, { probe }), [
    { title: 'HTTP', good: false, text: 'connection refused, 3 times in a row', at: AT },
  ]);
});

test('clock_says_by_how_much_and_which_way', () => {
  assert.equal(find('Clock', { clock_skew_s: 0.2 })[0]!.text, 'agrees with ours');
  assert.match(find('Clock', { clock_skew_s: -180 })[0]!.text, /3 min behind/);
  assert.equal(find('Clock', { clock_skew_s: 180 }, { clock_skewed: true })[0]!.good, false);
  assert.equal(find('Clock', { clock_skew_s: null })[0]!.good, null);
});

test('edge_node_has_no_agent_to_tell_of', () => {
  const edge = { ever: true, message_at: AT, interval_s: 5 };
  assert.deepEqual(
    evidence(detail({ sessions: [] }, { edge, agent: { ever: false } })).map((one) => one.title),
    ['Messages', 'HTTP', 'Clock', 'Readings'],
  );
});

test('errors_rejects_and_earlier_sessions_are_listed', () => {
  const snapshots = { readings: { present: true, error: 'http_503', error_fetches: 2, age_from: AT } };
  assert.match(find('Readings', {}, { snapshots })[0]!.text, /http_503 \(2 times in a row\)/);
  assert.match(find('Readings', {}, { frozen: true, frozen_detail: 'since noon' })[0]!.text, /frozen: since noon/);
  const refused = find('Refused', { rejects: { bad_json: 3 }, last_reject: 'byte 7' });
  assert.equal(refused[0]!.text, 'bad json: 3, byte 7');
  const superseded = [{ session: 's0', url: null, heard_at: AT }];
  assert.equal(find('Earlier session', { superseded })[0]!.text, 's0');
  assert.equal(find('Session', {}, { agent: { ever: true, duplicate: true } })[0]!.good, false);
});

test('an_answer_that_is_anything_is_survived', () => {
  for (const odd of [{}, { evidence: 7 }, { evidence: { snapshots: [1], sightings: 'x' }, superseded: {} }])
    assert.ok(evidence(odd).length > 0);
});
