import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arrivals } from '../src/arrivals';
import * as ask from '../src/ask';
import { parse } from '../src/route';
import { itemTypes, itemsOf, sortItems } from '../src/select';
import type { Item, ItemFilter } from '../src/select';
import { MAX_ITEMS, itemKey, reduce } from '../src/state';
import { POLLED_ITEMS } from '../src/state';
import { T0, after, at, frame, memory, node, observation } from './support';

const question = (hash: string, kind: 'observations' | 'memories' = 'observations'): ask.Question =>
  ask.questionOf(kind, parse(hash));

const ids = (items: readonly Item[]): unknown[] => items.map((item) => item.id);

test('question_is_read_from_the_address_and_nonsense_is_no_window', () => {
  assert.deepEqual(question('#/observations?node=pi&q=+door+&type=anomaly&hours=24'), {
    kind: 'observations',
    node: 'pi',
    query: 'door',
    type: 'anomaly',
    hours: 24,
  });
  for (const hours of ['-1', 'x', 'Infinity', '0', '1e9', 'NaN'])
    assert.equal(question(`#/observations?hours=${hours}`).hours, 0, hours);
  assert.equal(question('#/memories?type=anomaly', 'memories').type, '', 'memories have no types');
});

test('plain_question_is_answered_by_the_snapshot', () => {
  assert.equal(ask.isPlain(question('#/observations')), true);
  for (const narrowed of ['node=a', 'q=a', 'type=a', 'hours=1'])
    assert.equal(ask.isPlain(question(`#/observations?${narrowed}`)), false, narrowed);
});

test('llamad_is_asked_for_what_finds_all_that_the_pages_search_would', () => {
  assert.equal(ask.searchedFor('door'), 'door');
  assert.equal(ask.searchedFor('the kitchen door'), 'kitchen', 'words may stand apart in the text');
  assert.equal(ask.searchedFor('Überlauf'), 'berlauf', 'llamad knows the case of ASCII letters only');
  assert.equal(ask.searchedFor('温度 x'), '温度');
  assert.equal(ask.searchedFor('ÄÖ'), '', 'then it is asked for everything');
});

test('paths_are_encoded_and_memories_are_asked_for_no_type_or_window', () => {
  const asked = question('#/observations?node=pi+%26+co&q=a%26b&type=x%3Dy&hours=1');
  assert.equal(
    ask.askPath(asked, 200),
    'observations?limit=200&query=a%26b&node=pi+%26+co&obs_type=x%3Dy&hours=1',
  );
  assert.equal(
    ask.deepPath(question('#/observations?q=the+kitchen+door')),
    'observations?deep=1&limit=200&query=the+kitchen+door',
    'nodes search by meaning: they get all words',
  );
  assert.equal(ask.askPath(question('#/memories?hours=1', 'memories'), 400), 'memories?limit=400');
});

test('outcomes_are_told_in_words_problems_first_and_the_most_frequent_before', () => {
  const nodes = JSON.parse(
    '{"b":"ok","pi-10":"timeout","pi-2":"timeout","c":"no_url","d":"http_500","__proto__":"constructor"}',
  ) as Record<string, string>;
  assert.deepEqual(ask.outcomes(nodes), [
    { words: 'no answer in time', kind: 'bad', nodes: ['pi-2', 'pi-10'] },
    { words: 'HTTP 500', kind: 'bad', nodes: ['d'] },
    { words: 'constructor', kind: 'bad', nodes: ['__proto__'] },
    { words: 'no address known', kind: 'none', nodes: ['c'] },
    { words: 'answered', kind: 'ok', nodes: ['b'] },
  ]);
  assert.equal(ask.outcomeWords('too_large'), 'too large');
});

test('answer_without_items_is_refused', () => {
  assert.throws(() => ask.readFound({ nodes: {} }, 'observations'));
  assert.throws(() => ask.readFound(null, 'memories'));
  assert.deepEqual(ask.readFound({ memories: [] }, 'memories'), { items: [], outcomes: [], cut: false });
});

const model = after(
  frame('snapshot', 1, {
    nodes: [node('a'), node('fast', { clock_skew_s: 7200 })],
    observations: [
      observation('a', 1, { at: at(-7200), type: 'anomaly' }),
      observation('a', 2, { at: at(-60) }),
      observation('a', 3, { at: null, type: { odd: true } }),
      observation('fast', 4, { at: at(7200 - 30) }),
    ],
  }),
);
const list = (filter: Partial<ItemFilter>): unknown[] =>
  ids(itemsOf(model, 'observations', { node: null, query: '', ...filter }));

test('items_are_narrowed_by_type_and_window_by_our_clock', () => {
  assert.deepEqual(list({}), [4, 2, 1, 3], 'a clock that is wrong is reckoned with');
  assert.deepEqual(list({ sinceMs: T0 - 3_600_000 }), [4, 2], 'an unreadable time is in no window');
  assert.deepEqual(list({ sinceMs: T0 - 10_000 }), [], 'made 30 s ago, whatever its clock says');
  assert.deepEqual(list({ type: 'anomaly' }), [1]);
  assert.deepEqual(list({ type: '{"odd": true}' }), [3]);
  assert.deepEqual(itemTypes(model.observations), ['{"odd": true}', 'anomaly', 'general']);
});

test('observation_that_claims_to_be_confirmed_does_not_come_first', () => {
  const items = [observation('a', 1, { at: at(1) }), { ...observation('a', 2), times_confirmed: 99 }];
  assert.deepEqual(ids(sortItems(items, 'observations', new Map())), [1, 2]);
  assert.deepEqual(ids(sortItems(items, 'memories', new Map())), [2, 1]);
});

test('only_so_many_types_are_offered', () => {
  const many = new Map(Array.from({ length: 99 }, (_, i) => [`${i}`, observation('a', i, { type: `t${i}` })]));
  assert.equal(itemTypes(many).length, 50);
});

test('what_was_asked_for_finds_room_among_newer_ones', () => {
  const many = Array.from({ length: MAX_ITEMS }, (_, i) => observation('a', i, { at: at(i) }));
  const full = after(frame('snapshot', 1, { nodes: [node('a')], observations: many }));
  const old = observation('a', 'old', { at: at(-9999) });
  const asked = reduce(full, { type: 'items', observations: [old], memories: [] });
  assert(asked.observations.has(itemKey(old)));
  assert(asked.observations.has(itemKey(many.at(-1)!)), 'the newest stays');
  assert(asked.observations.size < MAX_ITEMS);
});

test('a_full_round_of_polling_takes_nothing_away_that_was_asked_for', () => {
  const answer = (length: number) => ({
    nodes: { timestamp: at(9), nodes: [node('a')] },
    readings: { readings: [] },
    observations: { observations: Array.from({ length }, (_, i) => observation('a', i, { at: at(i) })) },
    memories: { memories: [memory('a', 9)] },
    stats: {},
    events: { events: [] },
    health: {},
  });
  const before = after(
    frame('snapshot', 1, {
      nodes: [node('a'), node('gone')],
      observations: [observation('a', 'old'), observation('gone', 1)],
      memories: [memory('a', 'old')],
    }),
  );
  const full = reduce(before, { type: 'polled', answers: answer(POLLED_ITEMS), receivedMs: T0 });
  assert.equal(full.observations.size, POLLED_ITEMS + 1);
  assert(full.observations.has(itemKey({ node: 'a', id: 'old' })));
  assert.deepEqual(ids([...full.memories.values()]), [9], 'that answer was whole');
});

// ---- what comes while one reads ---------------------------------------------------------------------------

const nodes = new Map([['a', node('a')]]);
const one = observation('a', 1, { at: at(0) });
const two = observation('a', 2, { at: at(10) });

test('nothing_of_the_first_list_is_new_and_what_comes_later_is_for_a_while', () => {
  const arrivals = new Arrivals();
  arrivals.look([one], 'q', nodes, T0, false);
  assert.equal(arrivals.until(one), 0);
  arrivals.look([two, one], 'q', nodes, T0 + 10_000, false);
  assert.equal(arrivals.until(two), T0 + 70_000);
  arrivals.look([two, one], 'q', nodes, T0 + 50_000, false);
  assert.equal(arrivals.until(two), T0 + 70_000, 'it does not start anew');
  assert.deepEqual(arrivals.shown([two, one]), [two, one]);
});

test('what_was_asked_for_or_is_old_or_was_known_is_not_new', () => {
  const arrivals = new Arrivals();
  arrivals.look([one], 'q', nodes, T0, false);
  arrivals.know([two]);
  const old = observation('a', 3, { at: at(-600) });
  const timeless = observation('a', 4, { at: null });
  arrivals.look([two, one, old, timeless], 'q', nodes, T0, true);
  assert.deepEqual([two, one, old, timeless].map((item) => arrivals.until(item)), [0, 0, 0, 0]);
  assert.equal(arrivals.shown([two, one, old, timeless]).length, 4);
  arrivals.look([], 'q', nodes, T0, false);
  arrivals.look([two, one], 'q', nodes, T0, false);
  assert.equal(arrivals.until(one), 0, 'a snapshot brings back what was there');
});

test('held_back_until_released_and_new_from_then_on', () => {
  const arrivals = new Arrivals();
  arrivals.look([one], 'q', nodes, T0, true);
  arrivals.look([two, one], 'q', nodes, T0, true);
  assert.deepEqual(arrivals.shown([two, one]), [one]);
  arrivals.release(T0 + 100_000);
  assert.deepEqual(arrivals.shown([two, one]), [two, one]);
  assert.equal(arrivals.until(two), T0 + 160_000);
});

test('weeks_of_arrivals_leave_no_more_than_one_list_behind', () => {
  const arrivals = new Arrivals();
  let ms = T0;
  for (let id = 0; id < 5 * MAX_ITEMS; id++, ms += 61_000) {
    arrivals.look([observation('a', id, { at: new Date(ms).toISOString() })], 'q', nodes, ms, false);
  }
  assert(arrivals.size < 5 * MAX_ITEMS, `${arrivals.size} keys`);
});

test('another_question_shows_all_at_once', () => {
  const arrivals = new Arrivals();
  arrivals.look([one], 'q', nodes, T0, true);
  arrivals.look([two, one], 'q', nodes, T0, true);
  arrivals.look([two, one], 'other', nodes, T0, true);
  assert.deepEqual(arrivals.shown([two, one]), [two, one]);
});
