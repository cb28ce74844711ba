// Observations and memories where llamad answers late, badly or with very much: the page against the mock.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHONE, live, sideways } from '../browser.mjs';
import { address, openBlank, tell } from './support.mjs';

/** `answer` gets the requests for deep searches; others go to the mock. */
async function openItems(hash, { answer, ...options } = {}) {
  const opened = await openBlank(options);
  const { page } = opened;
  if (answer) await page.route(/[?&]deep=1/, answer);
  await page.goto(address(hash));
  await live(page);
  return opened;
}

const deep = (page) => page.getByRole('button', { name: 'Search all nodes' });
const json = (body, status = 200, headers = {}) => ({ status, headers, json: body });

test('refused_deep_search_counts_down_to_when_it_may_be_put_again', { timeout: 60_000 }, async () => {
  const answers = [
    json({ error: { code: 'rate_limited' } }, 429, { 'Retry-After': '3' }),
    json({ observations: [], nodes: { attic: 'ok' }, cut: false }),
  ];
  const { page } = await openItems('#/observations?q=door', { answer: (route) => route.fulfill(answers.shift()) });
  await deep(page).click();
  const note = page.getByRole('alert');
  await note.filter({ hasText: /six times a minute at most: again in [123] s/ }).waitFor();
  await note.filter({ hasText: 'now they may be asked again' }).waitFor();
  await note.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('0 found on 0 nodes').waitFor();
  await page.getByText('1 of 1 node answered').waitFor();
});

test('deep_search_under_way_can_be_cancelled', { timeout: 60_000 }, async () => {
  const failed = [];
  const { page, wrong } = await openItems('#/observations?q=door', { answer: () => {} });
  page.on('requestfailed', (request) => failed.push(request.url()));
  await deep(page).click();
  await page.getByText(/Asking all nodes \d+ s/).waitFor();
  assert.equal(await deep(page).isDisabled(), true);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText(/Asking all nodes/).waitFor({ state: 'detached' });
  await page.waitForFunction(() => true);
  assert.match(failed.join(), /deep=1/, 'the request itself was given up');
  assert.equal(await page.getByRole('alert').count(), 0, 'what was cancelled did not fail');
  assert.deepEqual(await wrong(), []);
});

test('deep_result_stands_alone_and_goes_with_its_question', { timeout: 60_000 }, async () => {
  const item = { node: 'attic', at: '2026-11-23T08:00:00.000Z', id: 'd1', text: 'a door of long ago', type: 'x' };
  const nodes = { attic: 'ok', ...Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`pi-${i}`, 'http_500'])) };
  const { page, wrong } = await openItems('#/observations?q=door', {
    answer: (route) => route.fulfill(json({ observations: [item], nodes, cut: false })),
  });
  await deep(page).click();
  await page.getByText('1 found on 1 node').waitFor();
  assert.equal(await page.locator('.item').count(), 1);
  const summary = page.getByText('1 of 21 nodes answered');
  assert.equal(await page.getByText('HTTP 500').isVisible(), false, 'many are folded');
  await summary.click();
  const words = await page.locator('.outcomes dt').allInnerTexts();
  assert.deepEqual(words, ['HTTP 500', 'answered'], 'problems first');
  await page.getByRole('searchbox').fill('lookback');
  await page.locator('.found').waitFor({ state: 'detached' });
  await page.locator('.item[data-node="kitchen"]').first().waitFor();
  assert.equal(await page.getByText('a door of long ago').count(), 0, 'it is not in the live list');
  assert.deepEqual(await wrong(), []);
});

test('failing_question_is_said_and_can_be_repeated', { timeout: 60_000 }, async () => {
  const { page } = await openItems('#/observations');
  let bad = true;
  await page.route(/query=lookback/, (route) => (bad ? route.fulfill(json({}, 503)) : route.continue()));
  await page.getByRole('searchbox').fill('lookback');
  const note = page.getByRole('alert').filter({ hasText: 'llamad could not be asked (HTTP 503)' });
  await note.waitFor();
  assert((await page.locator('.item').count()) > 0, 'what is here is searched all the same');
  bad = false;
  await note.getByRole('button', { name: 'Try again' }).click();
  await note.waitFor({ state: 'detached' });
});

test('new_items_wait_above_while_the_reader_is_further_down', { timeout: 60_000 }, async () => {
  const { page, wrong } = await openItems('#/observations', { viewport: { width: 1280, height: 500 } });
  await page.locator('.item').first().waitFor();
  assert.equal(await page.locator('.new').count(), 0, 'nothing is new on a first load');
  await page.evaluate(() => scrollTo(0, 400));
  const where = () =>
    page.evaluate(() => {
      const item = document.elementFromPoint(500, 300).closest('.item');
      return [item.innerText.split('\n').at(-1), Math.round(item.getBoundingClientRect().top)];
    });
  const before = await where();
  await tell('observe?node=kitchen&text=kettle&count=3');
  const pill = page.getByRole('button', { name: '3 new' });
  await pill.waitFor();
  assert.deepEqual(await where(), before, 'nothing moved');
  assert.equal(await page.getByText('kettle 0').count(), 0);
  await pill.click();
  await page.getByText('kettle 0').waitFor();
  assert.equal(await page.evaluate(() => scrollY), 0);
  assert.equal(await page.locator('.new').count(), 3);
  await tell('observe?node=kitchen&text=whistle');
  await page.locator('.item', { hasText: 'whistle' }).locator('.new').waitFor();
  assert.deepEqual(await wrong(), []);
});

test('scrolling_back_to_the_top_shows_what_was_held_back', { timeout: 60_000 }, async () => {
  const { page } = await openItems('#/observations', { viewport: { width: 1280, height: 500 } });
  await page.locator('.item').first().waitFor();
  await page.evaluate(() => scrollTo(0, 300));
  await tell('observe?node=kitchen&text=kettle');
  await page.getByRole('button', { name: '1 new' }).waitFor();
  await page.evaluate(() => scrollTo(0, 0));
  await page.locator('.item', { hasText: 'kettle' }).waitFor();
  assert.equal(await page.getByRole('button', { name: '1 new' }).count(), 0);
});

test('reconnect_makes_nothing_new_that_was_known', { timeout: 60_000 }, async () => {
  const { page } = await openItems('#/observations');
  await page.locator('.item').first().waitFor();
  await tell('gap');
  await page.getByRole('alert').waitFor();
  await live(page);
  await tell('observe?node=kitchen&text=kettle');
  await page.getByText('kettle').waitFor();
  assert.equal(await page.locator('.new').count(), 1);
});

test('thousands_of_items_come_as_one_scrolls_and_stay_smooth', { timeout: 120_000 }, async () => {
  const { page, wrong } = await openItems('#/observations');
  await tell('observe?node=kitchen&text=kettle&count=4400&type=many');
  await page.getByText('kettle 0', { exact: true }).waitFor();
  assert((await page.locator('.item').count()) <= 100, 'only some exist');
  for (let shown = 50; shown < 300; shown = await page.locator('.item').count()) {
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.waitForFunction((was) => document.querySelectorAll('.item').length > was, shown);
  }
  // An item that is drawn is left alone when others come.
  await page.evaluate(() => {
    scrollTo(0, 0);
    window.touched = new Set();
    new MutationObserver((records) => {
      for (const { target } of records) {
        const item = (target.closest ? target : target.parentElement).closest('.item');
        if (item && !target.parentElement?.closest('time')) window.touched.add(item.innerText);
      }
    }).observe(document.querySelector('.items'), { subtree: true, childList: true, attributes: true });
  });
  await tell('observe?node=kitchen&text=whistle');
  await page.getByText('whistle').waitFor();
  assert.deepEqual(await page.evaluate(() => [...window.touched].filter((text) => text.includes('kettle'))), []);
  assert.deepEqual(await wrong(), []);
});

test('of_several_looks_at_the_end_the_last_one_holds', { timeout: 60_000 }, async () => {
  const { page, wrong } = await openBlank();
  await page.addInitScript(() => {
    window.IntersectionObserver = class extends IntersectionObserver {
      constructor(run, options) {
        super((looks, self) => run([{ isIntersecting: false }, looks.at(-1)], self), options);
      }
    };
  });
  await page.goto(address('#/observations'));
  await tell('observe?node=kitchen&text=kettle&count=120&type=many');
  await page.getByText('kettle 0', { exact: true }).waitFor();
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await page.waitForFunction(() => document.querySelectorAll('.item').length > 50);
  await page.goto(address('#/overview'));
  await page.locator('.card[data-node="kitchen"]').scrollIntoViewIfNeeded();
  await tell('state?node=kitchen&to=stale&cause=late&reason=late.');
  await page.locator('.card.s-stale[data-node="kitchen"]').waitFor();
  assert.deepEqual(await wrong(), []);
});

test('filters_search_and_deep_result_fit_a_phone', { timeout: 60_000 }, async () => {
  const nodes = { attic: 'ok', ['x'.repeat(64)]: 'timeout', kitchen: 'http_500' };
  const { page, wrong } = await openItems('#/observations?q=cpu&hours=168', {
    viewport: PHONE,
    answer: (route) => route.fulfill(json({ observations: [], nodes, cut: true })),
  });
  await deep(page).click();
  await page.getByText('the answer was too large and was cut').waitFor();
  assert.equal(await sideways(page), 0);
  assert.deepEqual(await wrong(), []);
});
