import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Feed, HttpError, TIMES, backoff } from '../src/feed';
import type { Frame } from '../src/wire';
import { World, apiOf, at, frame, node, observation, reading } from './support';

function begin(world = new World()): { world: World; feed: Feed } {
  const feed = new Feed(world, world);
  feed.start();
  return { world, feed };
}

/** A feed whose socket has brought a snapshot with the node `a`. */
function beginLive(): { world: World; feed: Feed } {
  const both = begin();
  both.world.socket.say(frame('snapshot', 1, { nodes: [node('a')] }));
  return both;
}

test('snapshot_makes_it_live_and_deltas_follow', () => {
  const { world } = beginLive();
  assert.deepEqual(
    world.states.map((state) => state.phase),
    ['connecting', 'live'],
  );
  world.socket.say(frame('delta', 2, { readings: [reading('a', 'x:y', 5)] }));
  assert.equal(world.model.readings.get('a')?.get('x:y')?.value, 5);
  assert.equal(world.sockets.length, 1);
});

test('live_page_does_not_poll', async () => {
  const { world } = beginLive();
  await world.pass(TIMES.firstPollMs * 4);
  assert.deepEqual(world.asked, []);
});

test('lost_socket_is_polled_for_until_it_is_back_and_gets_a_new_snapshot', async () => {
  const { world } = beginLive();
  world.answer = apiOf([node('a', { status: 'stale' })]);
  world.socket.onclose?.(1006);
  assert.equal(world.state.phase, 'lost');
  await world.pass(10);
  assert.equal(world.model.nodes.get('a')?.status, 'stale', 'the polled answer is shown');
  assert.equal(world.state.phase === 'lost' && world.state.polling.state, 'ok');
  await world.pass(TIMES.backoffMs);
  assert.equal(world.sockets.length, 2);
  world.socket.say({ ...frame('snapshot', 1, { nodes: [node('b')] }), instance: 'two' });
  assert.equal(world.state.phase, 'live');
  assert.deepEqual([...world.model.nodes.keys()], ['b']);
  const asked = world.asked.length;
  await world.pass(TIMES.pollMs * 3);
  assert.equal(world.asked.length, asked, 'polling ends when it is live');
});

test('polling_goes_on_every_few_seconds', async () => {
  const { world } = beginLive();
  world.answer = apiOf([node('a')]);
  world.socket.onclose?.(1006);
  await world.pass(TIMES.pollMs * 3 + 100);
  assert.equal(world.asked.filter((path) => path === 'nodes').length, 4);
});

test('answer_that_comes_after_the_snapshot_is_dropped', async () => {
  const { world } = beginLive();
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const api = apiOf([node('old')]);
  world.answer = (path) => gate.then(() => api(path));
  world.socket.onclose?.(1006);
  await world.pass(TIMES.backoffMs + 1);
  world.socket.say(frame('snapshot', 3, { nodes: [node('new')] }));
  release();
  await world.pass(0);
  assert.deepEqual([...world.model.nodes.keys()], ['new']);
});

test('one_failing_list_fails_the_round_and_shows_nothing_half_new', async () => {
  const { world } = beginLive();
  const api = apiOf([node('z')]);
  world.answer = (path) => {
    if (path === 'readings') throw new HttpError(503, 'HTTP 503');
    return api(path);
  };
  world.socket.onclose?.(1006);
  await world.pass(10);
  assert.deepEqual([...world.model.nodes.keys()], ['a']);
  assert.deepEqual(world.state.phase === 'lost' && world.state.polling, {
    state: 'failed',
    status: 503,
    error: 'HTTP 503',
  });
});

test('answer_without_its_list_is_a_failed_round', async () => {
  const { world } = beginLive();
  world.answer = () => ({ timestamp: at(0) });
  world.socket.onclose?.(1006);
  await world.pass(10);
  assert.equal(world.state.phase === 'lost' && world.state.polling.state, 'failed');
});

test('hanging_poll_is_given_up_and_tried_again', async () => {
  const { world } = beginLive();
  world.socket.onclose?.(1006);
  await world.pass(TIMES.requestMs + 10);
  assert.equal(world.state.phase === 'lost' && world.state.polling.state, 'failed');
  world.answer = apiOf([node('c')]);
  await world.pass(4 * TIMES.requestMs + 10);
  assert.deepEqual([...world.model.nodes.keys()], ['c']);
});

test('delta_of_another_instance_is_not_applied_but_resnapshots', async () => {
  const { world } = beginLive();
  const first = world.socket;
  first.say({ ...frame('delta', 2, { nodes: [node('wrong')] }), instance: 'two' });
  assert.equal(first.closed, true);
  assert.equal(world.model.nodes.has('wrong'), false);
  await world.pass(TIMES.backoffMs);
  assert.equal(world.sockets.length, 2);
});

test('delta_that_does_not_follow_resnapshots', () => {
  for (const bad of [frame('delta', 1), frame('delta', 0)]) {
    const { world } = beginLive();
    world.socket.say(bad);
    assert.equal(world.state.phase, 'lost');
  }
  const { world } = begin();
  world.socket.say(frame('delta', 1));
  assert.equal(world.state.phase, 'lost', 'a delta before any snapshot');
});

test('unreadable_frame_resnapshots', () => {
  for (const bad of [
    '{"type":',
    '{}',
    'null',
    '{"type":"other","instance":"one","revision":2,"timestamp":""}',
  ]) {
    const { world } = beginLive();
    world.socket.say(bad);
    assert.equal(world.state.phase, 'lost', bad);
  }
});

test('newer_snapshot_on_the_same_socket_is_taken', () => {
  const { world } = beginLive();
  world.socket.say({ ...frame('snapshot', 50, { nodes: [node('b')] }), instance: 'two' });
  world.socket.say({ ...frame('delta', 51, { nodes: [node('c')] }), instance: 'two' });
  assert.equal(world.state.phase, 'live');
  assert.deepEqual([...world.model.nodes.keys()], ['b', 'c']);
});

test('attempts_come_farther_apart_and_a_steady_connection_starts_anew', async () => {
  const { world } = begin();
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    world.socket.onclose?.(1006);
    const { state } = world;
    assert(state.phase === 'lost' && state.retryAt !== null);
    waits.push(state.retryAt - world.time);
    await world.pass(state.retryAt - world.time);
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  world.socket.say(frame('snapshot', 1));
  await world.pass(TIMES.steadyMs + 1);
  world.socket.onclose?.(1006);
  assert.equal(world.state.phase === 'lost' && world.state.retryAt! - world.time, 1000);
});

test('connection_that_dies_at_once_does_not_start_the_back_off_anew', async () => {
  const { world } = begin();
  const waits: number[] = [];
  for (let i = 0; i < 3; i++) {
    world.socket.say(frame('snapshot', 1));
    world.socket.say({ ...frame('delta', 2), instance: 'two' });
    const { state } = world;
    assert(state.phase === 'lost' && state.retryAt !== null);
    waits.push(state.retryAt - world.time);
    await world.pass(state.retryAt - world.time);
  }
  assert.deepEqual(waits, [1000, 2000, 4000]);
});

test('jitter_is_the_upper_half_of_the_back_off', () => {
  assert.equal(backoff(0, 0), 500);
  assert.equal(backoff(0, 1), 1000);
  assert.equal(backoff(99, 0), TIMES.backoffMaxMs / 2);
});

test('reader_may_retry_at_once', () => {
  const { world, feed } = beginLive();
  feed.retryNow();
  assert.equal(world.sockets.length, 1, 'not while it is live');
  world.socket.onclose?.(1006);
  feed.retryNow();
  assert.equal(world.sockets.length, 2);
  assert.equal(world.state.phase === 'lost' && world.state.retryAt, null);
  feed.retryNow();
  assert.equal(world.sockets.length, 2, 'not while an attempt is under way');
});

test('socket_that_never_brings_a_snapshot_is_given_up', async () => {
  const { world } = begin();
  world.answer = apiOf([node('a')]);
  await world.pass(TIMES.connectMs + 1);
  assert.equal(world.sockets[0]?.closed, true);
  assert.equal(world.state.phase, 'lost');
  assert.equal(world.model.nodes.has('a'), true, 'meanwhile it was polled');
});

test('silent_socket_that_missed_something_is_dead', async () => {
  const { world } = beginLive();
  world.answer = apiOf([node('a', { last_seen: at(20) })]);
  await world.pass(TIMES.silentMs + TIMES.graceMs + 10);
  assert.equal(world.state.phase, 'lost');
});

test('silent_socket_of_a_quiet_cluster_is_kept', async () => {
  const { world } = beginLive();
  world.answer = apiOf([node('a')]);
  await world.pass((TIMES.silentMs + TIMES.graceMs) * 3);
  assert.equal(world.state.phase, 'live');
  assert.equal(world.sockets.length, 1);
});

test('silent_socket_whose_llamad_does_not_answer_is_dead', async () => {
  const { world } = beginLive();
  await world.pass(TIMES.silentMs + TIMES.requestMs + 10);
  assert.equal(world.state.phase, 'lost');
});

test('frame_that_comes_while_silence_is_checked_clears_the_suspicion', async () => {
  const { world } = beginLive();
  world.answer = apiOf([node('a', { last_seen: at(20) })]);
  await world.pass(TIMES.silentMs + 10);
  world.socket.say(frame('delta', 2, { nodes: [node('a', { last_seen: at(20) })] }));
  await world.pass(TIMES.graceMs + 10);
  assert.equal(world.state.phase, 'live');
});

test('chosen_node_gets_all_its_items', async () => {
  const { world, feed } = begin();
  world.socket.say(frame('snapshot', 1, { nodes: [node('pi & co')] }));
  world.answer = (path) => {
    if (path === 'observations?limit=200&node=pi%20%26%20co')
      return { observations: [observation('pi & co', 9)] };
    return { memories: [] };
  };
  await feed.fill('pi & co');
  assert.deepEqual(
    [...world.model.observations.values()].map((item) => item.id),
    [9],
  );
});

test('chosen_node_gets_all_its_items_when_the_page_becomes_live', async () => {
  const { world } = begin();
  world.choice = 'a';
  world.answer = (path) =>
    path.startsWith('observations') ? { observations: [observation('a', 4)] } : { memories: [] };
  world.socket.say(frame('snapshot', 1, { nodes: [node('a')] }));
  await world.pass(0);
  assert.deepEqual(world.asked, ['observations?limit=200&node=a', 'memories?limit=200&node=a']);
  assert.deepEqual(
    [...world.model.observations.values()].map((item) => item.id),
    [4],
  );
});

test('node_that_is_not_there_is_not_asked_for', async () => {
  const { world, feed } = beginLive();
  await feed.fill('nobody');
  assert.deepEqual(world.asked, []);
  world.choice = 'nobody';
  world.answer = apiOf([node('a')]);
  world.socket.onclose?.(1006);
  await world.pass(10);
  assert.equal(
    world.asked.some((path) => path.includes('nobody')),
    false,
  );
  assert.equal(world.state.phase === 'lost' && world.state.polling.state, 'ok');
});

test('chosen_node_that_was_forgotten_meanwhile_does_not_stop_polling', async () => {
  const { world } = beginLive();
  world.choice = 'a';
  const api = apiOf([node('b')]);
  world.answer = (path) => {
    if (path.endsWith('node=a')) throw new HttpError(404, 'HTTP 404');
    return api(path);
  };
  world.socket.onclose?.(1006);
  await world.pass(10);
  assert.deepEqual([...world.model.nodes.keys()], ['b']);
});

test('polling_asks_for_the_items_of_the_chosen_node_as_well', async () => {
  const { world } = beginLive();
  world.choice = 'a';
  const api = apiOf([node('a')]);
  world.answer = (path) =>
    path === 'observations?limit=200&node=a' ? { observations: [observation('a', 8)] } : api(path);
  world.socket.onclose?.(1006);
  await world.pass(10);
  assert.deepEqual(
    [...world.model.observations.values()].map((item) => item.id),
    [8],
  );
});

test('stopped_feed_is_quiet', async () => {
  const { world, feed } = beginLive();
  world.socket.onclose?.(1006);
  feed.stop();
  const before = [world.sockets.length, world.asked.length, world.states.length];
  await world.pass(120_000);
  assert.deepEqual([world.sockets.length, world.asked.length, world.states.length], before);
});

test('page_that_is_looked_at_again_does_not_wait_for_the_back_off', async () => {
  const { world, feed } = beginLive();
  world.socket.onclose?.(1006);
  await world.pass(0);
  const before = world.sockets.length;
  feed.visible(true);
  assert.equal(world.sockets.length, before + 1);
  feed.visible(true);
  assert.equal(world.sockets.length, before + 1, 'an attempt under way is not repeated');
});

test('hidden_page_pauses_after_a_while_and_asks_for_counts_only', async () => {
  const { world, feed } = beginLive();
  feed.visible(false);
  await world.pass(TIMES.pauseMs - 1);
  assert.equal(world.state.phase, 'live', 'people switch back and forth');
  await world.pass(1);
  assert.equal(world.state.phase, 'paused');
  world.answer = () => ({ nodes: { online: 3, stale: 1 } });
  const before = world.asked.length;
  await world.pass(TIMES.requestMs + 2 * TIMES.countsMs + 1);
  assert.deepEqual(world.state, { phase: 'paused', counts: { online: 3, stale: 1 } });
  assert.deepEqual([...new Set(world.asked.slice(before))], ['../health']);
  assert.equal(world.asked.length - before, 2);
  assert.equal(world.sockets[0]?.closed, true);
  const sockets = world.sockets.length;
  feed.visible(true);
  assert.equal(world.sockets.length, sockets + 1);
  assert.equal(world.state.phase, 'connecting');
  const asked = world.asked.length;
  world.socket.say(frame('snapshot', 9));
  await world.pass(TIMES.countsMs + 1);
  assert.equal(world.state.phase, 'live');
  assert.equal(world.asked.slice(asked).includes('../health'), false, 'counts are asked for no more');
});

test('page_that_is_shown_in_time_stays_live', async () => {
  const { world, feed } = beginLive();
  world.answer = apiOf([node('a')]);
  feed.visible(false);
  await world.pass(TIMES.pauseMs - 1);
  feed.visible(true);
  await world.pass(TIMES.pauseMs);
  assert.equal(world.state.phase, 'live');
  assert.equal(world.sockets.length, 1);
});

test('connection_is_live_when_the_last_part_is_there', async () => {
  const world = new World();
  const feed = new Feed(world, world);
  feed.start();
  const part = (type: Frame['type'], more: boolean): void =>
    world.socket.say({ ...frame(type, 1), more });
  part('snapshot', true);
  assert.equal(world.state.phase, 'connecting');
  part('part', true);
  part('part', false);
  assert.equal(world.state.phase, 'live');
});

test('snapshot_that_stays_incomplete_is_given_up', async () => {
  const world = new World();
  const feed = new Feed(world, world);
  feed.start();
  world.socket.say({ ...frame('snapshot', 1), more: true });
  await world.pass(TIMES.connectMs);
  assert.equal(world.state.phase, 'lost');
});
