import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, groups, sortCompared, sortGroups, stand, summary, unitKey } from '../src/compare';
import type { Group } from '../src/compare';
import { ExactNumber } from '../src/json';
import type { Model } from '../src/state';
import type { NodeStatus } from '../src/wire';
import { after, frame, node, reading } from './support';

const SOURCE = 'system:cpu_temp';

/** A node for each value; `a`, `b`, … */
function nodesWith(values: unknown[], unit: unknown = 'celsius', states: NodeStatus[] = []): Model {
  const name = (index: number): string => String.fromCharCode(97 + index);
  return after(
    frame('snapshot', 1, {
      nodes: values.map((_, index) => node(name(index), { status: states[index] ?? 'online' })),
      readings: values.map((value, index) => reading(name(index), SOURCE, value, { unit })),
    }),
  );
}

const odd = (numbers: number[]): string[] => {
  const all = summary(numbers);
  return numbers.map((number) => stand(number, all));
};

test('who_is_far_from_the_median_stands_out_on_its_side', () => {
  assert.deepEqual(odd([40, 41, 42, 43, 90]), ['', '', '', '', 'high']);
  assert.deepEqual(odd([-90, 41, 42, 43, 40]), ['low', '', '', '', '']);
  assert.deepEqual(odd([40, 41, 42, 43, 44, 45]), ['', '', '', '', '', '']);
  assert.deepEqual(odd([40, 41, 42, 43, 90, 91]).slice(4), ['high', 'high'], 'two do not hide each other');
});

test('three_nodes_have_no_odd_one', () => {
  assert.deepEqual(odd([1, 1, 900]), ['', '', '']);
  assert.deepEqual(odd([]), []);
});

test('among_equal_values_one_that_differs_stands_out_but_not_by_a_trifle', () => {
  assert.deepEqual(odd([20, 20, 20, 20, 20, 35]), ['', '', '', '', '', 'high']);
  assert.deepEqual(odd([20, 20, 20, 20, 20, 20.1]), ['', '', '', '', '', '']);
  assert.deepEqual(odd([0, 0, 0, 0, 0, -3]), ['', '', '', '', '', 'low']);
  assert.deepEqual(odd([7, 7, 7, 7, 7]), ['', '', '', '', '']);
});

test('summary_is_that_of_the_numbers', () => {
  const all = summary([4, 1, 3, 2])!;
  assert.deepEqual([all.count, all.min, all.median, all.mean, all.max, all.range], [4, 1, 2.5, 2.5, 4, 3]);
  assert.equal(summary([]), null);
  const huge = summary([1.7e308, 1.7e308, 1.7e308, 1.7e308])!;
  assert.deepEqual([huge.mean, huge.median], [1.7e308, 1.7e308], 'sums beyond a double');
});

test('old_values_are_rows_but_do_not_count_and_do_not_stand_out', () => {
  const model = nodesWith([40, 41, 42, 43, 900], 'celsius', ['online', 'online', 'degraded', 'online', 'stale']);
  const all = compare(model, SOURCE, undefined, {});
  assert.equal(all.rows.length, 5);
  assert.deepEqual([all.summary!.max, all.old], [43, 1]);
  assert.deepEqual([all.rows[4]!.old, all.rows[4]!.stand], [true, '']);
});

test('words_and_switches_are_counted', () => {
  const model = nodesWith([1, 0, 1, true, 'x', null, ''], 'boolean');
  const all = compare(model, SOURCE, undefined, {});
  assert.equal(all.summary, null);
  assert.deepEqual(all.words, [
    ['on', 3],
    ['(empty text)', 1],
    ['no value', 1],
    ['off', 1],
    ['x', 1],
  ]);
});

test('units_that_differ_are_compared_apart_and_other_spellings_are_none', () => {
  assert.deepEqual([unitKey('celsius'), unitKey('°C'), unitKey('Boolean'), unitKey(null)], ['°C', '°C', 'boolean', '']);
  const model = after(
    frame('snapshot', 1, {
      nodes: ['a', 'b', 'c'].map((name) => node(name)),
      readings: [
        reading('a', SOURCE, 40, { unit: 'celsius' }),
        reading('b', SOURCE, 42, { unit: '°C' }),
        reading('c', SOURCE, 104, { unit: 'fahrenheit' }),
      ],
    }),
  );
  const rows = groups(model, null, '', {}).map(({ unit, nodes, numbers }) => [unit, nodes, numbers]);
  assert.deepEqual(rows, [
    ['°C', 2, [40, 42]],
    ['°F', 1, [104]],
  ]);
  assert.equal(compare(model, SOURCE, undefined, {}).unit, '°C', 'most nodes have it');
  assert.deepEqual(compare(model, SOURCE, 'fahrenheit', {}).rows.map((row) => row.key), ['c']);
  assert.equal(compare(model, SOURCE, '-', {}).rows.length, 0);
});

test('numbers_beyond_a_double_count_if_they_have_a_size', () => {
  const all = compare(nodesWith([new ExactNumber('9007199254740993'), new ExactNumber('1e999')]), SOURCE, undefined, {});
  assert.equal(all.summary!.count, 1);
  assert.deepEqual(all.words, [['1e999', 1]]);
});

test('sources_are_narrowed_by_node_search_type_and_filters_of_nodes', () => {
  const model = after(
    frame('snapshot', 1, {
      nodes: [node('a', { labels: { room: 'attic' } }), node('b', { status: 'stale' })],
      readings: [reading('a', SOURCE, 1), reading('b', SOURCE, 2), reading('b', 'gpio:1', 1), reading('a', 'gpiox:1', 1)],
    }),
  );
  const ids = (...question: [string | null, string, object]): string[] =>
    groups(model, ...question).map(({ fullId, nodes }) => `${fullId} ${nodes}`);
  assert.deepEqual(ids('b', '', {}), [`${SOURCE} 2`, 'gpio:1 1']);
  assert.deepEqual(ids(null, 'CPU', {}), [`${SOURCE} 2`]);
  assert.deepEqual(ids(null, '', { type: 'gpio' }), ['gpio:1 1']);
  assert.deepEqual(ids(null, '', { label: 'room:attic' }), [`${SOURCE} 1`, 'gpiox:1 1']);
  assert.deepEqual(ids('gone', '', {}), []);
});

test('sources_without_numbers_stand_last_in_both_directions', () => {
  const group = (fullId: string, numbers: number[]): Group => ({
    key: fullId, fullId, unit: '', nodes: 1, old: 0, numbers, words: new Map(),
  });
  const list = [group('none', []), group('two', [2]), group('one', [1])];
  const order = (descending: boolean): string[] =>
    sortGroups(list, { key: 'mean', descending }).map(({ fullId }) => fullId);
  assert.deepEqual(order(false), ['one', 'two', 'none']);
  assert.deepEqual(order(true), ['two', 'one', 'none']);
});

test('nodes_are_sorted_by_value_and_the_chosen_one_stands_first', () => {
  const { rows } = compare(nodesWith([3, 'x', 1, 2]), SOURCE, undefined, {});
  const order = (descending: boolean, first: string | null): string =>
    sortCompared(rows, { key: 'value', descending }, first).map((row) => row.key).join('');
  assert.equal(order(false, null), 'cdab');
  assert.equal(order(true, null), 'adcb');
  assert.equal(order(true, 'c'), 'cadb');
  assert.equal(sortCompared(rows, null, null).map((row) => row.key).join(''), 'abcd');
});
