import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scripts } from '../src/scripts';

test('scripts_are_outdated_while_another_mark_than_the_first_is_served', async () => {
  const marks = ['"a"', '"a"', null, '"b"', null, '"a"'];
  const scripts = new Scripts(async () => marks.shift() ?? null);
  const seen: boolean[] = [];
  for (let i = marks.length; i > 0; i--) {
    await scripts.look();
    seen.push(scripts.outdated);
  }
  assert.equal(scripts.known, true);
  assert.deepEqual(seen, [false, false, false, true, true, false]);
});

test('what_is_served_after_no_answer_is_taken_for_what_runs', async () => {
  const marks = [null, '"b"', '"b"'];
  const scripts = new Scripts(async () => marks.shift() ?? null);
  await scripts.look();
  assert.equal(scripts.known, false);
  for (let i = marks.length; i > 0; i--) await scripts.look();
  assert.equal(scripts.outdated, false);
});
