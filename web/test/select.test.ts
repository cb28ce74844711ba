import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExactNumber } from '../src/json';
import { ReadingIndex, readingOf, toldAt } from '../src/order';
import type { ReadingQuestion, RowRef } from '../src/order';
import * as select from '../src/select';
import type { Model } from '../src/state';
import { after, at, event, frame, memory, node, observation, reading } from './support';

const all = { node: null, query: '' };

const model = after(
  frame('snapshot', 1, {
    nodes: [
      node('pi-10'),
      node('pi-2', { captured_at: at(50) }),
      node('gone', { status: 'unreachable', captured_at: null }),
      node('half', { status: 'degraded' }),
    ],
    readings: [
      reading('pi-10', 'system:cpu_temp', 40, { unit: 'celsius' }),
      reading('pi-2', 'system:cpu_temp', 9.5, { unit: 'celsius', at: at(-500) }),
      reading('pi-2', 'gpio:27', 1, { unit: 'boolean', metadata: { name: 'door_switch' } }),
      reading('gone', 'x:text', 'Person', { at: at(-9) }),
      reading('gone', 'x:none', null),
    ],
    observations: [
      observation('pi-2', 1, { at: at(1) }),
      observation('pi-10', 2, { at: null, type: 'anomaly' }),
      observation('pi-10', 3, { at: at(3), related_sources: ['gpio:27'] }),
    ],
    memories: [
      memory('pi-2', 1),
      memory('pi-2', 2, { times_confirmed: 5 }),
      memory('pi-10', 3, { times_confirmed: 'often', at: at(9) }),
    ],
    events: [event(1, 'pi-2', 1), event(2, null, 2), event(3, 'pi-10', 3)],
    stats: {
      nodes: {},
      totals: {},
      by_node: {
        'pi-2': { readings_count: 7, observations_count: 3, memories_count: 2 },
        'pi-10': { readings_count: 'many' },
        gone: null,
      },
    },
  }),
);

const ids = (rows: readonly RowRef[]): string[] => rows.map((row) => `${row.node}/${row.fullId}`);

/** Each question to an index of its own. */
const rowsOf = (of: Model, question: Partial<ReadingQuestion> = {}): readonly RowRef[] =>
  new ReadingIndex().rows(of, { node: null, query: '', sort: null, filters: {}, ...question });

test('broken_nodes_come_first_worst_first', () => {
  assert.deepEqual(
    select.nodesByNeed(model, null).map((one) => one.name),
    ['gone', 'half', 'pi-2', 'pi-10'],
  );
  assert.deepEqual(
    select.nodesByNeed(model, 'half').map((one) => one.name),
    ['half'],
  );
});

test('names_sort_as_people_count', () => {
  assert.deepEqual(select.nodeNames(model), ['gone', 'half', 'pi-2', 'pi-10']);
  assert.notEqual(select.compareNames('e\u0301', '\u00e9'), 0, 'different names are never equal');
});

test('readings_stand_by_node_then_source', () => {
  assert.deepEqual(ids(rowsOf(model)), [
    'gone/x:none',
    'gone/x:text',
    'pi-2/gpio:27',
    'pi-2/system:cpu_temp',
    'pi-10/system:cpu_temp',
  ]);
});

test('node_filter_leaves_only_that_node', () => {
  assert.deepEqual(ids(rowsOf(model, { node: 'pi-10' })), [
    'pi-10/system:cpu_temp',
  ]);
  assert.deepEqual(rowsOf(model, { node: 'nobody' }), []);
  assert.deepEqual(
    select.observationRows(model, { node: 'pi-2', query: '' }).map((row) => row.item.id),
    [1],
  );
  assert.deepEqual(
    select.memoryRows(model, { node: 'pi-10', query: '' }).map((row) => row.item.id),
    [3],
  );
});

test('search_finds_all_words_in_any_column_whatever_their_case', () => {
  const find = (query: string): string[] => ids(rowsOf(model, { query }));
  assert.deepEqual(find('DOOR'), ['pi-2/gpio:27']);
  assert.deepEqual(find('cpu pi-10'), ['pi-10/system:cpu_temp']);
  assert.deepEqual(find('°c'), ['pi-2/system:cpu_temp', 'pi-10/system:cpu_temp']);
  assert.deepEqual(find('person'), ['gone/x:text']);
  assert.deepEqual(find('nothing like it'), []);
});

test('values_sort_numbers_then_texts_and_no_value_last', () => {
  const rows = rowsOf(model, { sort: { key: 'value', descending: false } });
  assert.deepEqual(
    rows.map((row) => readingOf(model, row)?.value),
    [1, 9.5, 40, 'Person', null],
  );
  const mixed = after(
    frame('snapshot', 1, {
      readings: [null, 'b', { a: 1 }, true, new ExactNumber('9007199254740993'), 3, false, 'a'].map((value, index) =>
        reading('n', `x:${index}`, value),
      ),
    }),
  );
  const values = rowsOf(mixed, { sort: { key: 'value', descending: false } }).map((row) =>
    String(readingOf(mixed, row)?.value),
  );
  assert.deepEqual(values, ['3', '9007199254740993', 'false', 'true', 'a', 'b', '[object Object]', 'null']);
});

test('descending_turns_the_order_and_an_unknown_key_is_the_usual_order', () => {
  const up = ids(rowsOf(model, { sort: { key: 'node', descending: false } }));
  assert.deepEqual(ids(rowsOf(model, { sort: { key: 'node', descending: true } })), [...up].reverse());
  assert.deepEqual(ids(rowsOf(model, { sort: { key: 'bogus', descending: false } })), up);
});

test('an_unchanged_reading_is_as_old_as_its_nodes_last_snapshot', () => {
  const rows = new Map(rowsOf(model).map((row) => [row.key, toldAt(model, row)]));
  assert.equal(rows.get('pi-2\u0000system:cpu_temp'), at(50));
  assert.equal(rows.get('gone\u0000x:text'), at(-9), 'without a snapshot time its own counts');
});

test('observations_are_newest_first_and_unreadable_times_last', () => {
  assert.deepEqual(
    select.observationRows(model, all).map((row) => row.item.id),
    [3, 1, 2],
  );
  assert.deepEqual(
    select.observationRows(model, { node: null, query: 'gpio:27' }).map((row) => row.item.id),
    [3],
  );
  assert.deepEqual(
    select.observationRows(model, { node: null, query: 'anomaly' }).map((row) => row.item.id),
    [2],
  );
});

test('memories_are_most_confirmed_first', () => {
  assert.deepEqual(
    select.memoryRows(model, all).map((row) => row.item.id),
    [2, 1, 3],
  );
});

test('events_of_the_cluster_stand_in_every_nodes_list', () => {
  assert.deepEqual(
    select.eventRows(model, { node: 'pi-2', query: '' }).map((one) => one.id),
    [2, 1],
  );
  assert.deepEqual(
    select.eventRows(model, { node: null, query: 'cluster' }).map((one) => one.id),
    [2],
  );
});

test('breakdown_tells_never_said_from_nothing', () => {
  const rows = new Map(select.breakdown(model).map((row) => [row.name, row]));
  assert.deepEqual(rows.get('pi-2'), {
    name: 'pi-2',
    status: 'online',
    readings: 7,
    observations: 3,
    memories: 2,
    sources: 2,
  });
  assert.equal(rows.get('pi-10')?.readings, null);
  assert.equal(rows.get('gone')?.observations, null);
  assert.equal(rows.get('gone')?.sources, 2);
});

test('sources_are_counted_over_all_nodes', () => {
  assert.equal(select.sources(model), 5);
});

test('old_are_the_values_of_nodes_that_are_not_heard', () => {
  assert.deepEqual(
    (['online', 'degraded', 'stale', 'unreachable', 'unknown', undefined] as const).map(select.isOld),
    [false, false, true, true, true, true],
  );
});

test('key_readings_put_what_is_not_available_last', () => {
  const machine = after(
    frame('snapshot', 1, {
      nodes: [node('m')],
      readings: [
        reading('m', 'system:cpu_temp', 0),
        reading('m', 'system:load_avg', 0),
        reading('m', 'a:b', 'x'),
      ],
    }),
  );
  assert.deepEqual(
    select.keyReadings(machine, 'm', 4).map((one) => one.full_id),
    ['system:load_avg', 'a:b', 'system:cpu_temp'],
  );
});

test('key_readings_put_temperatures_before_the_rest', () => {
  assert.deepEqual(
    select.keyReadings(model, 'pi-2', 1).map((one) => one.full_id),
    ['system:cpu_temp'],
  );
  assert.deepEqual(
    select.keyReadings(model, 'gone', 4).map((one) => one.full_id),
    ['x:text', 'x:none'],
  );
  assert.deepEqual(select.keyReadings(model, 'nobody', 4), []);
});

test('wrong_clock_of_a_node_makes_no_ages', () => {
  const ahead = node('ahead', { captured_at: at(7200), confirmed_at: at(2), clock_skew_s: 7200 });
  const readings = [reading('ahead', 'a:b', 1, { at: at(7199) })];
  const own = after(frame('snapshot', 1, { nodes: [ahead], readings }));
  assert.equal(toldAt(own, rowsOf(own)[0]!), at(2));
  assert.equal(select.byOurClock(at(7201), ahead), at(1));
  assert.equal(select.byOurClock(null, ahead), null);
  assert.equal(select.byOurClock(at(1), node('right', { clock_skew_s: 0.4 })), at(1));
  assert.equal(select.byOurClock(at(1), undefined), at(1));
});

test('rows_stay_in_order_while_nodes_and_readings_come_and_go', () => {
  const index = new ReadingIndex();
  const ids = (one: Model): string[] =>
    index.rows(one, { node: null, query: '', sort: null, filters: {} }).map((row) => row.key.replace('\u0000', '/'));
  const first = frame('snapshot', 1, {
    nodes: [node('b10'), node('b2')],
    readings: [reading('b10', 'x:10', 1), reading('b10', 'x:9', 1), reading('b2', 'x:1', 1)],
  });
  assert.deepEqual(ids(after(first)), ['b2/x:1', 'b10/x:9', 'b10/x:10']);
  const other = frame('snapshot', 2, {
    nodes: [node('b10'), node('a')],
    readings: [
      reading('b10', 'x:10', 1),
      reading('b10', 'x:8', 1),
      reading('unknown', 'x:1', 1),
      reading('a', 'y', 1),
    ],
  });
  const more = after(first, other);
  assert.deepEqual(ids(more), ['a/y', 'b10/x:8', 'b10/x:10', 'unknown/x:1']);
  assert.deepEqual(select.nodeNames(more), ['a', 'b10']);
});
