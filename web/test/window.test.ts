import assert from 'node:assert/strict';
import { test } from 'node:test';
import { windowOf } from '../src/parts/window';

test('window_holds_what_is_in_sight_and_a_screenful_on_either_side', () => {
  const window = windowOf(-34_000, 680, 34, 20_000, 20);
  assert.ok(window.from <= 1000 - 20 && window.from > 1000 - 40);
  assert.ok(window.to >= 1020 + 20 && window.to < 1020 + 40);
});

test('window_ends_where_the_rows_end', () => {
  assert.deepEqual(windowOf(300, 600, 34, 5, 18), { from: 0, to: 5 });
  assert.deepEqual(windowOf(0, 600, 34, 0, 18), { from: 0, to: 0 });
  const end = windowOf(-1e9, 600, 34, 100, 18);
  assert.equal(end.to, 100);
  assert.ok(end.from <= end.to);
});

test('window_moves_in_groups', () => {
  const first = windowOf(-3400, 680, 34, 1000, 20);
  assert.deepEqual(windowOf(-3401, 680, 34, 1000, 20), first);
});

test('every_row_in_sight_is_in_the_window_wherever_it_stands', () => {
  for (let top = 500; top > -40_000; top -= 777) {
    const { from, to } = windowOf(top, 844, 58, 600, 15);
    for (let row = 0; row < 600; row++) {
      const y = top + row * 58;
      if (y + 58 > 0 && y < 844) assert.ok(row >= from && row < to, `row ${row} at ${top}`);
    }
  }
});
