import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOME, format, linkTo, parse } from '../src/route';

test('a_route_survives_the_address', () => {
  const routes = [
    HOME,
    {
      view: 'readings',
      node: 'pi garage/温度&x=1#y',
      query: 'a+b "c" %41',
      sort: { key: 'value', descending: true },
      filters: { type: 'system', label: 'room:küche & co', state: 'stale', hours: '24' },
    },
    { view: 'memories', node: null, query: ' ', sort: { key: 'node', descending: false }, filters: {} },
  ] as const;
  for (const route of routes) assert.deepEqual(parse(format(route)), route);
});

test('an_empty_or_strange_address_is_the_overview', () => {
  for (const hash of ['', '#', '#/', '#/nothing', '#/__proto__', '#/readings/x'])
    assert.equal(parse(hash).view, 'overview', hash);
  assert.deepEqual(parse('#/readings?node=&sort=-&q='), { ...HOME, view: 'readings' });
});

test('broken_escapes_do_not_throw', () => {
  assert.equal(parse('#/readings?node=%E0%A4%A').view, 'readings');
});

test('an_address_has_only_what_is_chosen', () => {
  assert.equal(linkTo('memories', { node: 'pi' }), '#/memories?node=pi');
  assert.equal(linkTo('node', { node: 'a b' }), '#/node?node=a+b');
  assert.equal(linkTo('readings', { filters: { type: '' } }), '#/readings');
});
