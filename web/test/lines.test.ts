import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extent, range, valueAt } from '../src/lines';

test('extent_names_the_lowest_the_highest_and_the_newest', () => {
  const a = { label: 'a', points: [[1, 4], [2, null], [3, 6], [4, null]] as const };
  const b = { label: 'b', points: [[2, -1]] as const };
  assert.deepEqual(extent([a, b]), { low: -1, high: 6, lowLabel: 'b', highLabel: 'a', last: 6 });
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
  const values = [1, undefined, 2, null, undefined];
  assert.deepEqual(
    values.map((_, index) => valueAt(values, index)),
    [1, 1, 2, null, null],
  );
  assert.equal(valueAt([undefined, 3], 0), null);
});
