import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExactNumber } from '../src/json';
import { MAX_EVENTS, MAX_ITEMS, compareTimes, emptyModel, follows, itemKey, reduce } from '../src/state';
import type { Frame } from '../src/wire';
import { T0, after, at, event, frame, memory, node, observation, reading } from './support';

const base = frame('snapshot', 1, {
  nodes: [node('a'), node('b')],
  readings: [
    reading('a', 'system:cpu_temp', 40),
    reading('a', 'gpio:17', 1),
    reading('b', 'system:cpu_temp', 50),
  ],
  observations: [observation('a', 1), observation('b', 1)],
  memories: [memory('a', 1), memory('b', 'x')],
  events: [event(1, 'a', 1)],
  stats: {
    nodes: { total: 2, online: 2 },
    totals: { readings: 3 },
    by_node: { a: { readings_count: 2 }, b: { readings_count: 1 } },
  },
});

test('snapshot_replaces_everything', () => {
  const model = after(base, frame('snapshot', 9, { nodes: [node('c')], readings: [reading('c', 'x:y', 1)] }));
  assert.deepEqual([...model.nodes.keys()], ['c']);
  assert.deepEqual([...model.readings.keys()], ['c']);
  assert.equal(model.observations.size, 0);
  assert.equal(model.events.length, 0);
  assert.equal(model.stats.by_node.size, 0);
});

test('snapshot_keeps_the_time_of_the_server_and_of_its_arrival', () => {
  const model = reduce(emptyModel, { type: 'frame', frame: base, receivedMs: T0 + 250 });
  assert.equal(model.loaded, true);
  assert.equal(model.serverMs, T0 + 1000);
  assert.equal(model.receivedMs, T0 + 250);
});

test('delta_changes_one_value_and_leaves_the_rest_as_it_is', () => {
  const before = after(base);
  const model = reduce(before, {
    type: 'frame',
    frame: frame('delta', 2, { readings: [reading('a', 'system:cpu_temp', 41)] }),
    receivedMs: T0,
  });
  assert.equal(model.readings.get('a')?.get('system:cpu_temp')?.value, 41);
  assert.equal(model.readings.get('a')?.get('gpio:17')?.value, 1);
  assert.equal(model.readings.get('b'), before.readings.get('b'), 'an untouched node keeps its identity');
  assert.equal(model.nodes, before.nodes);
  assert.equal(model.observations, before.observations);
  assert.equal(before.readings.get('a')?.get('system:cpu_temp')?.value, 40, 'the old model stays as it was');
});

test('delta_of_a_changed_node_keeps_its_readings', () => {
  const model = after(base, frame('delta', 2, { nodes: [node('a', { status: 'stale', cause: 'late' })] }));
  assert.equal(model.nodes.get('a')?.status, 'stale');
  assert.equal(model.readings.get('a')?.size, 2);
});

test('last_of_two_readings_with_one_id_counts', () => {
  const model = after(
    frame('snapshot', 1, { readings: [reading('a', 'x:dup', 1), reading('a', 'x:dup', 2)] }),
  );
  assert.equal(model.readings.get('a')?.get('x:dup')?.value, 2);
});

test('removed_reading_goes_and_only_that_one', () => {
  const model = after(
    base,
    frame('delta', 2, {
      removed: {
        readings: [
          ['a', 'gpio:17'],
          ['nobody', 'x'],
        ],
      },
    }),
  );
  assert.deepEqual([...(model.readings.get('a')?.keys() ?? [])], ['system:cpu_temp']);
  assert.equal(model.readings.has('nobody'), false);
  assert.equal(model.readings.get('b')?.size, 1);
});

test('removed_items_are_found_by_node_and_id', () => {
  const model = after(
    base,
    frame('delta', 2, { removed: { observations: [['a', 1]], memories: [['b', 'x']] } }),
  );
  assert.deepEqual(
    [...model.observations.values()].map((item) => item.node),
    ['b'],
  );
  assert.deepEqual(
    [...model.memories.values()].map((item) => item.node),
    ['a'],
  );
});

test('id_1_and_id_text_1_are_two_items', () => {
  assert.notEqual(itemKey({ node: 'a', id: 1 }), itemKey({ node: 'a', id: '1' }));
  assert.equal(itemKey({ node: 'a', id: new ExactNumber('9007199254740993') }), 'a\u00009007199254740993');
});

test('forgotten_node_takes_everything_of_it_along', () => {
  const model = after(
    base,
    frame('delta', 2, {
      removed: { nodes: ['a'] },
      stats: { nodes: { total: 1 }, totals: { readings: 1 }, by_node: {} },
    }),
  );
  assert.deepEqual([...model.nodes.keys()], ['b']);
  assert.equal(model.readings.has('a'), false);
  assert.deepEqual(
    [...model.observations.values()].map((item) => item.node),
    ['b'],
  );
  assert.deepEqual(
    [...model.memories.values()].map((item) => item.node),
    ['b'],
  );
  assert.deepEqual([...model.stats.by_node.keys()], ['b']);
  assert.equal(model.stats.nodes['total'], 1);
});

test('node_forgotten_and_back_within_one_delta_is_there', () => {
  const model = after(
    base,
    frame('delta', 2, {
      removed: { nodes: ['a'] },
      nodes: [node('a', { version: '2' })],
      readings: [reading('a', 'new:one', 1)],
      observations: [observation('a', 7)],
    }),
  );
  assert.equal(model.nodes.get('a')?.version, '2');
  assert.deepEqual([...(model.readings.get('a')?.keys() ?? [])], ['new:one']);
  assert.equal([...model.observations.values()].filter((item) => item.node === 'a').length, 1);
});

test('stats_of_a_delta_merge_by_node', () => {
  const model = after(
    base,
    frame('delta', 2, {
      stats: {
        nodes: { total: 2, online: 1 },
        totals: { readings: 9 },
        by_node: { b: { readings_count: 7 } },
      },
    }),
  );
  assert.equal(model.stats.totals['readings'], 9);
  assert.equal(model.stats.nodes['online'], 1);
  assert.deepEqual(model.stats.by_node.get('a'), { readings_count: 2 });
  assert.deepEqual(model.stats.by_node.get('b'), { readings_count: 7 });
});

test('delta_without_stats_keeps_them', () => {
  const before = after(base);
  assert.equal(
    reduce(before, { type: 'frame', frame: frame('delta', 2), receivedMs: T0 }).stats,
    before.stats,
  );
});

test('node_called_proto_is_a_node_like_any_other', () => {
  const stats = JSON.parse('{"nodes":{},"totals":{},"by_node":{"__proto__":{"readings_count":5}}}');
  const model = after(
    frame('snapshot', 1, { nodes: [node('__proto__')], readings: [reading('__proto__', 'x', 1)], stats }),
  );
  assert.deepEqual(model.stats.by_node.get('__proto__'), { readings_count: 5 });
  assert.equal(model.readings.get('__proto__')?.size, 1);
  assert.equal(({} as Record<string, unknown>)['readings_count'], undefined);
});

test('events_come_newest_first_and_once', () => {
  const model = after(
    base,
    frame('delta', 2, { events: [event(3, 'a', 30), event(1, 'a', 1), event(2, null, 20)] }),
  );
  assert.deepEqual(
    model.events.map((one) => one.id),
    [3, 2, 1],
  );
});

test('a_page_left_open_does_not_grow_without_bound', () => {
  const many = Array.from({ length: MAX_ITEMS + 1 }, (_, i) => observation('a', i, { at: at(i) }));
  const events = Array.from({ length: MAX_EVENTS + 5 }, (_, i) => event(i, 'a', i));
  const model = after(frame('snapshot', 1), frame('delta', 2, { observations: many, events }));
  assert(model.observations.size < MAX_ITEMS);
  assert(model.observations.has(itemKey({ node: 'a', id: MAX_ITEMS })), 'the newest stays');
  assert.equal(model.observations.has(itemKey({ node: 'a', id: 0 })), false, 'the oldest goes');
  assert.equal(model.events.length, MAX_EVENTS);
  assert.equal(model.events[0]?.id, MAX_EVENTS + 4);
});

test('polled_answers_replace_the_lists', () => {
  const model = reduce(after(base), {
    type: 'polled',
    receivedMs: T0 + 5,
    answers: {
      nodes: { timestamp: at(77), nodes: [node('b')] },
      readings: { readings: [reading('b', 'x:y', 3)] },
      observations: { observations: [observation('b', 2)] },
      memories: { memories: [] },
      stats: { nodes: { total: 1 }, totals: {}, by_node: { b: {} } },
      events: { events: [event(2, 'b', 5)] },
      health: { broker_down_since: at(4) },
    },
  });
  assert.deepEqual([...model.nodes.keys()], ['b']);
  assert.deepEqual([...model.readings.keys()], ['b']);
  assert.deepEqual(
    [...model.observations.values()].map((item) => item.id),
    [2],
  );
  assert.deepEqual([...model.stats.by_node.keys()], ['b']);
  assert.deepEqual(
    model.events.map((one) => one.id),
    [2, 1],
    'events that were seen stay',
  );
  assert.equal(model.serverMs, T0 + 77_000);
  assert.equal(model.brokerDownSince, at(4));
});

test('more_items_of_a_node_join_what_is_there', () => {
  const model = reduce(after(base), { type: 'items', observations: [observation('a', 5)], memories: [] });
  assert.equal(model.observations.size, 3);
});

test('answer_that_the_socket_overtook_changes_nothing', () => {
  const model = after(
    base,
    frame('delta', 2, { observations: [observation('a', 1, { text: 'new' })], removed: { nodes: ['b'] } }),
  );
  const late = reduce(model, {
    type: 'items',
    observations: [observation('a', 1, { text: 'former' }), observation('b', 1)],
    memories: [memory('b', 7)],
  });
  assert.equal(late.observations.get(itemKey({ node: 'a', id: 1 }))?.text, 'new');
  assert.deepEqual([late.observations.size, late.memories.size], [1, 1]);
});

test('every_frame_and_every_poll_tells_of_the_broker', () => {
  const incident = { cause: 'own_clock', since: at(3), reason: 'wrong' };
  const other = { cause: 'broker_down', since: at(3), reason: 'away' };
  assert.deepEqual(after(base, { ...frame('delta', 2), incidents: [other, incident] }).ownClock, incident);
  assert.equal(after({ ...base, incidents: [incident] }, { ...frame('delta', 2), incidents: [] }).ownClock, null);
  assert.equal(after({ ...base, incidents: [other] }).ownClock, null);
  const down = after(base, { ...frame('delta', 2), broker_down_since: at(3) });
  assert.equal(down.brokerDownSince, at(3));
  assert.equal(after(base, { ...frame('delta', 2), broker_down_since: null }).brokerDownSince, null);
  assert.equal(after({ ...base, broker_down_since: at(1) }).brokerDownSince, at(1));
});

test('only_a_newer_delta_of_the_same_instance_follows', () => {
  const seen = { instance: 'one', revision: 5, more: false };
  assert.equal(follows(seen, frame('delta', 6)), true);
  assert.equal(follows(seen, frame('delta', 5)), false);
  assert.equal(follows(seen, frame('delta', 4)), false);
  assert.equal(follows(seen, { ...frame('delta', 6), instance: 'two' }), false);
  assert.equal(follows(null, frame('delta', 1)), false);
  assert.equal(follows(seen, { ...frame('snapshot', 1), instance: 'two' }), true);
});

test('parts_follow_their_own_snapshot_and_deltas_only_the_last_part', () => {
  const seen = { instance: 'one', revision: 5, more: true };
  assert.equal(follows(seen, frame('part', 5)), true);
  assert.equal(follows(seen, frame('part', 6)), false);
  assert.equal(follows(seen, { ...frame('part', 5), instance: 'two' }), false);
  assert.equal(follows(seen, frame('delta', 6)), false);
  assert.equal(follows({ ...seen, more: false }, frame('part', 5)), false);
});

test('parts_complete_the_snapshot_and_take_nothing_back', () => {
  const first = { ...base, more: true, broker_down_since: at(1) };
  const model = after(
    first,
    frame('part', 1, { nodes: [node('c')], readings: [reading('c', 'x:y', 1)], more: true }),
  );
  assert.equal(model.partial, true);
  const whole = reduce(model, {
    type: 'frame',
    frame: frame('part', 1, { readings: [reading('c', 'x:z', 2)], more: false }),
    receivedMs: T0,
  });
  assert.equal(whole.partial, false);
  assert.deepEqual([...whole.nodes.keys()], ['a', 'b', 'c']);
  assert.deepEqual([...(whole.readings.get('c')?.keys() ?? [])], ['x:y', 'x:z']);
  assert.equal(whole.brokerDownSince, at(1), 'what a part does not tell stands');
});

test('a_batch_gives_what_its_frames_give_one_by_one', () => {
  const frames = [
    frame('delta', 2, { readings: [reading('a', 'system:cpu_temp', 41), reading('new', 'x:y', 1)] }),
    frame('delta', 3, { removed: { readings: [['a', 'gpio:17']], nodes: ['b'], observations: [['a', 1]] } }),
    frame('delta', 4, { nodes: [node('b')], readings: [reading('b', 'x:y', 2)], memories: [memory('b', 7)] }),
    frame('delta', 5, { stats: { by_node: { a: { readings_count: 9 }, b: null } }, events: [event(2, 'b', 2)] }),
  ];
  const begin = after(base);
  const actions = frames.map((one) => ({ type: 'frame' as const, frame: one, receivedMs: T0 }));
  const singly = actions.reduce((model, action) => reduce(model, action), begin);
  const together = reduce(begin, ...actions);
  assert.deepEqual(together, singly);
  assert.deepEqual(begin, after(base), 'the picture from before is not written to');
  assert.notEqual(together.readings, begin.readings);
});

test('shape_counts_readings_that_come_and_go_and_no_changes_of_value', () => {
  const begin = after(base);
  const step = (fields: Partial<Frame>): number =>
    reduce(begin, { type: 'frame', frame: frame('delta', 2, fields), receivedMs: T0 }).shape - begin.shape;
  assert.equal(step({ readings: [reading('a', 'gpio:17', 0)] }), 0);
  assert.equal(step({ readings: [reading('a', 'gpio:18', 0)] }), 1);
  assert.equal(step({ removed: { readings: [['a', 'gpio:17']] } }), 1);
  assert.equal(step({ removed: { readings: [['a', 'never there']] } }), 0);
  assert.equal(step({ removed: { nodes: ['b'] } }), 1);
});

test('older_events_join_the_newer_ones', () => {
  const model = reduce(after(base), { type: 'events', events: [event(0, 'b', 0), event(1, 'a', 1)] });
  assert.deepEqual(
    model.events.map((one) => one.id),
    [1, 0],
  );
});

test('no_time_is_older_than_any_time', () => {
  assert.deepEqual([at(2), null, at(1)].sort(compareTimes), [null, at(1), at(2)]);
});
