import assert from 'node:assert/strict';
import { test } from 'node:test';
import { find, sourceNames } from '../src/palette';
import { emptyModel } from '../src/state';
import type { Reading } from '../src/wire';

const names = (...all: string[]): Map<string, string> => new Map(all.map((name) => [name, 'online']));

test('names_that_begin_with_the_query_come_first', () => {
  assert.deepEqual(find('pi', names('api', 'PI-2', 'pi-1')), ['PI-2', 'pi-1', 'api']);
});

test('all_words_must_occur_in_name_or_more', () => {
  const nodes = new Map([
    ['cellar', 'alpaca stale'],
    ['kitchen', 'alpaca online'],
  ]);
  assert.deepEqual(find('stale CELL', nodes), ['cellar']);
  assert.deepEqual(find('stale kitchen', nodes), []);
});

test('a_late_name_that_begins_so_is_found_behind_many_that_contain_it', () => {
  const many = Array.from({ length: 1000 }, (_, i) => `a-pi-${i}`);
  const found = find('pi', names(...many, 'pi'));
  assert.equal(found[0], 'pi');
  assert.equal(found.length, 8);
});

test('a_source_of_many_nodes_is_one_with_the_name_that_one_of_them_gives', () => {
  const reading = (name?: string): Reading =>
    ({ full_id: 'gpio:27', value: 1, metadata: name ? { name } : null }) as unknown as Reading;
  const readings = new Map([
    ['a', new Map([['gpio:27', reading()]])],
    ['__proto__', new Map([['gpio:27', reading('door')]])],
  ]);
  assert.deepEqual([...sourceNames({ ...emptyModel, readings })], [['gpio:27', 'door']]);
});
