import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadingIndex, choices, movesWithValues, nodePasses, sourceType } from '../src/order';
import type { ReadingQuestion } from '../src/order';
import { reduce } from '../src/state';
import type { Model } from '../src/state';
import { T0, after, at, frame, node, reading } from './support';

const question = (fields: Partial<ReadingQuestion> = {}): ReadingQuestion => ({
  node: null,
  query: '',
  sort: null,
  filters: {},
  ...fields,
});

const model = after(
  frame('snapshot', 1, {
    nodes: [
      node('a', { labels: { room: 'kitchen', floor: 0 }, captured_at: at(5) }),
      node('b', { status: 'stale', labels: { room: 'attic' }, captured_at: at(1) }),
    ],
    readings: [
      reading('a', 'system:cpu_temp', 40),
      reading('a', 'gpio:17', 1),
      reading('b', 'system:cpu_temp', 30),
      reading('stranger', 'gpio:17', 0, { at: null }),
    ],
  }),
);

const ids = (of: Model, fields: Partial<ReadingQuestion>, index = new ReadingIndex()): string[] =>
  index.rows(of, question(fields)).map((row) => `${row.node}/${row.fullId}`);

test('filters_narrow_by_type_state_and_label', () => {
  assert.deepEqual(ids(model, { filters: { type: 'gpio' } }), ['a/gpio:17', 'stranger/gpio:17']);
  assert.deepEqual(ids(model, { filters: { state: 'stale' } }), ['b/system:cpu_temp']);
  assert.deepEqual(ids(model, { filters: { state: 'unknown' } }), ['stranger/gpio:17']);
  assert.deepEqual(ids(model, { filters: { label: 'room:attic' } }), ['b/system:cpu_temp']);
  assert.deepEqual(ids(model, { filters: { label: 'room', type: 'gpio' } }), ['a/gpio:17']);
});

test('labels_are_compared_as_text_and_names_of_the_language_are_none', () => {
  assert.equal(nodePasses(node('x', { labels: { floor: 0 } }), { label: 'floor:0' }), true);
  assert.equal(nodePasses(node('x', { labels: {} }), { label: 'constructor' }), false);
  assert.equal(nodePasses(node('x', { labels: null }), { label: 'room:a' }), false);
  assert.equal(nodePasses(node('x', { labels: { a: 'b:c' } }), { label: 'a:b:c' }), true);
});

test('age_sorts_the_newest_first_and_no_time_last', () => {
  assert.deepEqual(ids(model, { sort: { key: 'age', descending: false } }), [
    'a/gpio:17',
    'a/system:cpu_temp',
    'b/system:cpu_temp',
    'stranger/gpio:17',
  ]);
});

test('source_sorts_across_nodes', () => {
  assert.deepEqual(ids(model, { sort: { key: 'source', descending: true } }), [
    'a/system:cpu_temp',
    'b/system:cpu_temp',
    'a/gpio:17',
    'stranger/gpio:17',
  ]);
});

test('rows_stay_the_same_objects_while_only_values_change', () => {
  const index = new ReadingIndex();
  const before = index.rows(model, question());
  const moved = reduce(model, {
    type: 'frame',
    frame: frame('delta', 2, { readings: [reading('a', 'gpio:17', 0)] }),
    receivedMs: T0,
  });
  assert.equal(index.rows(moved, question()), before);
  const grown = reduce(moved, {
    type: 'frame',
    frame: frame('delta', 3, { readings: [reading('a', 'gpio:18', 0)] }),
    receivedMs: T0,
  });
  const after = index.rows(grown, question());
  assert.equal(after.length, before.length + 1);
  assert.equal(after[0], before[0]);
});

test('one_reading_replaced_by_another_is_noticed', () => {
  const index = new ReadingIndex();
  index.rows(model, question());
  const swapped = reduce(model, {
    type: 'frame',
    frame: frame('delta', 2, {
      readings: [reading('b', 'x:new', 1)],
      removed: { readings: [['b', 'system:cpu_temp']] },
    }),
    receivedMs: T0,
  });
  assert.deepEqual(ids(swapped, { node: 'b' }, index), ['b/x:new']);
});

test('only_orders_that_depend_on_values_move_with_them', () => {
  assert.equal(movesWithValues(question()), false);
  assert.equal(movesWithValues(question({ sort: { key: 'source', descending: true } })), false);
  assert.equal(movesWithValues(question({ sort: { key: 'value', descending: true } })), true);
  assert.equal(movesWithValues(question({ query: 'x' })), true);
});

test('source_type_is_what_stands_before_the_first_colon', () => {
  assert.equal(sourceType('a:b:c'), 'a');
  assert.equal(sourceType('plain'), 'plain');
  assert.equal(sourceType(':x'), '');
});

test('choices_are_what_exists_in_order', () => {
  assert.deepEqual(choices(model), {
    type: ['gpio', 'system'],
    label: ['floor:0', 'room:attic', 'room:kitchen'],
    state: ['online', 'stale'],
  });
});
