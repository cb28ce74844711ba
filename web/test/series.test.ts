import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SPAN_MS, STEP_MS, Series, SeriesStore, sparkPath, stepPoints } from '../src/series';
import type { SeriesPorts } from '../src/series';
import { T0, after, frame, reading } from './support';

const START = Math.floor(T0 / STEP_MS) * STEP_MS;

test('steps_keep_lowest_highest_and_last', () => {
  const series = new Series();
  for (const value of [5, 9, 1, 4]) series.add(START + 1000, value);
  assert.deepEqual(series.steps, [{ at: START, low: 1, high: 9, last: 4, gap: false }]);
});

test('no_number_makes_a_gap_before_the_next_step', () => {
  const series = new Series();
  series.add(START, 1);
  series.add(START + 1, null);
  series.add(START + STEP_MS, 2);
  series.add(START + 2 * STEP_MS, 3);
  assert.deepEqual(
    series.steps.map((step) => step.gap),
    [false, true, false],
  );
});

test('an_hour_is_kept_however_long_it_goes_on', () => {
  const series = new Series();
  for (let i = 0; i < 5000; i++) series.add(START + i * 10_000, i);
  assert.ok(series.steps.length <= SPAN_MS / STEP_MS + 1);
  assert.equal(series.steps.at(-1)?.last, 4999);
});

test('a_time_that_goes_backwards_counts_as_now', () => {
  const series = new Series();
  series.add(START + STEP_MS, 1);
  series.add(START - SPAN_MS, 7);
  assert.equal(series.steps.length, 1);
  assert.equal(series.steps[0]?.high, 7);
});

/** A store whose requests are answered by hand. */
function storeOf(): {
  store: SeriesStore;
  asked: string[];
  world: { time: number };
  answer(points: unknown): Promise<void>;
  refuse(): Promise<void>;
  pass(): void;
} {
  const asked: string[] = [];
  const world = { time: T0 };
  let timers: (() => void)[] = [];
  let settle: { resolve(value: unknown): void; reject(error: Error): void } | null = null;
  const ports: SeriesPorts = {
    get: (path) => {
      asked.push(path);
      return new Promise((resolve, reject) => (settle = { resolve, reject }));
    },
    now: () => world.time,
    after: (_ms, run) => timers.push(run),
  };
  const rest = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return {
    store: new SeriesStore(ports, () => undefined),
    asked,
    world,
    pass: () => {
      world.time += 200;
      const due = timers;
      timers = [];
      for (const run of due) run();
    },
    answer: async (series) => {
      settle!.resolve({ series });
      await rest();
    },
    refuse: async () => {
      settle!.reject(new Error('no answer'));
      await rest();
    },
  };
}

const points = (...values: number[]): { points: [number, number][] } => ({
  points: values.map((value, index) => [START + index * STEP_MS, value]),
});

test('what_is_shown_at_the_same_time_is_asked_for_at_once', async () => {
  const { store, asked, answer, pass } = storeOf();
  const a = store.show('pi a', 'x:1');
  const b = store.show('b', 'x/2&=');
  store.show('b', 'x/2&=');
  pass();
  assert.deepEqual(asked, ['history?points=120&series=pi%20a%2Fx%3A1&series=b%2Fx%2F2%26%3D']);
  await answer([points(1, 2), points(3)]);
  assert.deepEqual([a.steps.length, b.steps.length], [2, 1]);
  pass();
  assert.equal(asked.length, 1);
});

test('rows_that_fly_by_are_not_asked_for', async () => {
  const { store, asked, world, pass } = storeOf();
  for (let i = 0; i < 10; i++) {
    store.show('n', `x:${i}`);
    world.time -= 200;
    pass();
    assert.equal(asked.length, 0, 'more comes into sight all the time');
    if (i < 9) store.hide('n', `x:${i}`);
  }
  pass();
  assert.equal(asked.length, 1);
  assert.equal(asked[0]?.match(/series=/g)?.length, 1, 'the one that stayed');
});

test('more_than_fits_comes_in_a_second_request', async () => {
  const { store, asked, answer, pass } = storeOf();
  for (let i = 0; i < 60; i++) store.show('n', `x:${i}`);
  pass();
  await answer([]);
  pass();
  assert.equal(asked.length, 2);
  assert.equal(asked.join('&').match(/series=/g)?.length, 60);
});

test('live_values_carry_on_what_was_answered', async () => {
  const { store, answer, pass } = storeOf();
  const series = store.show('a', 'x:y');
  const model = after(frame('snapshot', 1, { readings: [reading('a', 'x:y', 8)] }));
  store.follow(model, START + STEP_MS);
  assert.equal(series.steps.length, 0, 'not before the past is there');
  pass();
  await answer([points(1)]);
  store.follow(model, START + STEP_MS);
  store.follow(model, START + 2 * STEP_MS);
  assert.deepEqual(
    series.steps.map((step) => step.last),
    [1, 8],
    'the same reading is one sample',
  );
});

test('series_nobody_showed_for_long_is_asked_for_again', async () => {
  const { store, asked, answer, pass, world } = storeOf();
  store.show('a', 'x:y');
  pass();
  await answer([points(1)]);
  store.hide('a', 'x:y');
  world.time += 1000;
  store.show('a', 'x:y');
  pass();
  assert.equal(asked.length, 1, 'scrolled away and back');
  store.hide('a', 'x:y');
  world.time += 60_000;
  store.show('a', 'x:y');
  pass();
  assert.equal(asked.length, 2);
});

test('reconnect_asks_for_everything_shown_again', async () => {
  const { store, asked, answer, pass } = storeOf();
  store.show('a', 'x:y');
  pass();
  await answer([points(1)]);
  store.renew();
  pass();
  assert.equal(asked.length, 2);
});

test('failed_request_is_tried_again_later', async () => {
  const { store, asked, refuse, answer, pass } = storeOf();
  const series = store.show('a', 'x:y');
  pass();
  await refuse();
  pass();
  pass();
  assert.equal(asked.length, 2);
  await answer([points(1, 2)]);
  assert.equal(series.steps.length, 2);
});

test('malformed_answers_are_no_steps', async () => {
  for (const bad of [undefined, 7, [null], [{ points: null }]]) {
    const { store, answer, pass } = storeOf();
    const series = store.show('a', 'x:y');
    pass();
    await answer(bad);
    assert.equal(series.steps.length, 0);
  }
});

test('forgotten_series_do_not_pile_up', async () => {
  const { store, asked, answer, pass } = storeOf();
  for (let i = 0; i < 2000; i++) {
    store.show('n', `x:${i}`);
    store.hide('n', `x:${i}`);
  }
  pass();
  await Promise.resolve();
  assert.equal(asked.length, 0, 'nobody shows them');
  void answer;
  assert.ok((store as unknown as { entries: Map<string, unknown> }).entries.size <= 801);
});

test('line_goes_from_left_to_right_through_lows_and_highs_and_breaks_at_gaps', () => {
  const series = new Series();
  series.add(START, 0);
  series.add(START + SPAN_MS / 2, 10);
  series.add(START + SPAN_MS / 2, null);
  series.add(START + SPAN_MS, 5);
  const path = sparkPath(series.steps, 100, 20, START + SPAN_MS, START + SPAN_MS);
  assert.equal(path, 'M0 20L50 0M100 10');
});

test('value_that_stands_is_a_line_as_far_as_it_was_confirmed', () => {
  const series = new Series();
  series.add(START, 7);
  const path = sparkPath(series.steps, 100, 20, START + SPAN_MS, START + SPAN_MS / 2);
  assert.equal(path, 'M0 10H50');
  assert.equal(sparkPath([], 100, 20, START, START), '');
});

test('steps_become_points_with_their_gaps_and_extremes', () => {
  const series = new Series();
  series.add(0, 1);
  series.add(1000, 5);
  series.add(2000, 3);
  series.add(3000, null);
  series.add(60_000, 2);
  assert.deepEqual(stepPoints(series.steps, 100_000), [
    [0, 1],
    [10_000, 5],
    [20_000, 3],
    [59_999, null],
    [60_000, 2],
    [100_000, 2],
  ]);
});

test('answer_that_never_comes_is_given_up_and_does_not_block_the_others', async () => {
  const timers: [ms: number, run: () => void][] = [];
  const asked: string[] = [];
  let time = T0;
  const hanging = (signal: AbortSignal): Promise<unknown> =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('no answer in time'))));
  const store = new SeriesStore(
    {
      get: (path, signal) => {
        asked.push(path);
        return hanging(signal);
      },
      now: () => time,
      after: (ms, run) => timers.push([ms, run]),
    },
    () => undefined,
  );
  /** Runs what is due within so many ms. */
  const pass = async (ms: number): Promise<void> => {
    time += ms;
    for (const [, run] of timers.splice(0).filter(([due, run]) => due <= ms || (timers.push([due - ms, run]), false))) run();
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  store.show('a', 'x:y');
  await pass(200);
  assert.equal(asked.length, 1);
  await pass(10_000);
  store.show('b', 'x:y');
  await pass(200);
  assert.equal(asked.length, 2, 'another one can be asked for');
});
