import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extent, linePath, range, ticks, timeTicks, valueAt } from '../src/lines';

test('extent_names_the_lowest_the_highest_and_the_newest', () => {
  const a = { label: 'a', points: [[1, 4], [2, null], [3, 6], [4, null]] as const };
  const b = { label: 'b', points: [[2, -1]] as const };
  assert.deepEqual(extent([a, b]), {
    low: -1,
    high: 6,
    lowLabel: 'b',
    highLabel: 'a',
    last: 6,
    begin: 1,
    end: 3,
  });
  assert.equal(extent([]), null);
  assert.equal(extent([{ label: 'a', points: [[1, null]] }]), null);
});

test('a_value_that_never_moves_has_room_around_it', () => {
  assert.deepEqual(range(50, 50), [45, 55]);
  assert.deepEqual(range(-50, -50), [-55, -45]);
  assert.deepEqual(range(0, 0), [-1, 1]);
  const [low, high] = range(0, 100);
  assert.ok(low < 0 && low > -20 && high > 100 && high < 120);
});

test('a_value_holds_until_the_next_and_not_through_a_gap', () => {
  const points = [[10, 1], [30, 2], [31, null], [50, 3]] as const;
  assert.deepEqual(
    [0, 10, 20, 30, 40, 50, 99].map((ms) => valueAt(points, ms)),
    [null, 1, 1, 2, null, 3, 3],
  );
  assert.equal(valueAt([], 1), null);
});

test('axes_are_marked_at_round_values', () => {
  assert.deepEqual(ticks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(-3, 12, 5), [0, 5, 10]);
  assert.deepEqual(ticks(0.1, 0.35, 5), [0.1, 0.15, 0.2, 0.25, 0.3, 0.35]);
  assert.deepEqual(ticks(1, 1, 5), []);
  assert.deepEqual(ticks(-Infinity, 1, 5), []);
  assert.ok(ticks(-1e300, 1e300, 5).length < 10);
});

test('times_are_marked_at_round_times_of_the_readers_clock', () => {
  const end = Date.parse('2026-11-28T12:34:56Z');
  const marks = timeTicks(end - 3_600_000, end, 8);
  assert.ok(marks.length >= 5 && marks.length <= 9);
  for (const ms of marks) assert.equal(new Date(ms).getMinutes() % 10, 0);
});

test('a_line_breaks_at_gaps_and_a_lone_value_is_a_dot', () => {
  const same = (value: number): number => value;
  assert.equal(linePath([[0, 1], [1, 2], [2, null], [3, 4]], same, same), 'M0 1h0L1 2M3 4h0');
  assert.equal(linePath([[0, null]], same, same), '');
});
