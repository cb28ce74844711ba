// The overview of many nodes and the page of odd ones, against the mock.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { PHONE, sideways } from '../browser.mjs';
import { address, onMock, tell } from './support.mjs';

const HOSTILE = '__proto__<img src=x onerror=alert(1)>\u202e/?&#';

onMock(
  'hostile_names_and_labels_are_text_and_lead_where_they_say',
  '#/overview?state=degraded',
  {
    viewport: PHONE,
    prepare: (cluster) => {
      cluster.node(HOSTILE, { status: 'degraded', labels: { '<b>k': '"><script>' }, reason: '<i>' }, Date.now());
      cluster.take(HOSTILE, [{ full_id: 'a:<u>', value: 'x'.repeat(3000), unit: '<s>' }], Date.now());
    },
  },
  async (page) => {
    const card = page.locator('.card').filter({ hasText: '__proto__<img src=x onerror=alert(1)>U+202E/?&#' });
    await card.getByRole('link', { name: '<b>k: "><script>' }).click();
    await page.waitForURL(/label=/);
    await page.locator('.card').filter({ hasNotText: '__proto__' }).first().waitFor({ state: 'detached' });
    await card.locator('h3 a').click();
    await page.locator('.node-head h2', { hasText: '__proto__' }).waitFor();
    await page.locator('.chosen', { hasText: 'a:<u>' }).getByRole('button', { name: 'Show all' }).click();
    await page.locator('.grounds').waitFor();
    assert.equal(await sideways(page), 0);
    assert.equal(await page.locator('main img, main script').count(), 0);
  },
);

onMock('filters_of_the_overview_are_seen_and_go_at_a_press', '#/overview', {}, async (page) => {
  await page.locator('.states a', { hasText: 'unreachable' }).click();
  await page.locator('.card[data-node="attic"]').waitFor({ state: 'detached' });
  assert.equal(await page.locator('.card').count(), 1);
  await page.getByRole('button', { name: /state: unreachable/ }).click();
  await page.locator('.card[data-node="attic"]').waitFor();
  await page.getByRole('searchbox').fill('kitchen');
  await page.locator('.card[data-node="attic"]').waitFor({ state: 'detached' });
  await page.locator('.card[data-node="kitchen"]').waitFor();
});

onMock('of_a_thousand_nodes_only_some_cards_exist', '#/overview', { mock: { extra: 1000 } }, async (page) => {
  await page.locator('.card[data-node="workshop"]').waitFor();
  assert.ok((await page.locator('.card').count()) < 200);
  await page.locator('.count', { hasText: /1.?008/ }).first().waitFor();
});

onMock('linked_event_that_is_not_kept_is_missed_in_words', '#/events?event=99999', {}, async (page) => {
  await page.getByText('The linked event is not here').waitFor();
  await page.locator('.event').first().waitFor();
});

async function saved(page) {
  await page.locator('summary', { hasText: 'Export' }).click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save as CSV' }).click(),
  ]);
  return readFileSync(await download.path(), 'utf8').split('\r\n');
}

onMock('older_events_come_when_asked_for', '#/events', {}, async (page) => {
  for (let i = 0; i < 70; i++) await tell(`state?node=attic&to=${i % 2 ? 'online' : 'stale'}&cause=late&reason=number ${i}.`);
  await page.getByText('number 69.').waitFor();
  await page.reload();
  const older = page.getByRole('button', { name: 'Load older events' });
  await older.scrollIntoViewIfNeeded();
  assert.equal(await page.getByText('number 3.').count(), 0, 'the snapshot has the newest 50');
  await older.click();
  await page.getByText('number 3.').waitFor();
  await older.waitFor({ state: 'detached' });
});

onMock('link_to_an_event_is_copied_and_leads_to_it', '#/events', {}, async (page) => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const event = page.locator('.event[data-node="workshop"]').first();
  await event.locator('.permalink').click();
  await event.getByText('copied').waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(link, /#\/events\?event=\d+$/);
  await page.goto('about:blank');
  await page.goto(link);
  await page.locator('.event.linked[data-node="workshop"]').waitFor();
});

/** Fingers need 40 px, and links in a sentence are the only exception. */
onMock('what_is_pressed_on_a_phone_is_large_enough', '#/overview', { viewport: PHONE }, async (page) => {
  for (const hash of ['#/overview', '#/readings', '#/compare', '#/observations', '#/events', '#/node?node=workshop']) {
    await page.goto(address(hash));
    await page.locator('main').waitFor();
    const small = await page.evaluate(() =>
      [...document.querySelectorAll('button, select, input:not([type=radio], [type=checkbox]), .actions a')]
        .filter((one) => one.checkVisibility() && !one.closest('p, .sr, thead, .event, [hidden]'))
        .map((one) => ({ text: one.innerText || one.ariaLabel || one.id, height: one.getBoundingClientRect().height }))
        .filter(({ height }) => height > 0 && height < 40)
        .map(({ text, height }) => `${text}: ${height}`),
    );
    assert.deepEqual([...new Set(small)], [], hash);
  }
});

onMock('events_can_be_saved_as_they_are_narrowed', '#/events?node=workshop', {}, async (page) => {
  const [head, first, ...others] = await saved(page);
  assert.equal(head, 'id,at,node,from,to,cause,reason');
  assert.match(first, /,workshop,stale,unreachable,no_answer,/);
  assert.match(others.join('\n'), /^[^\n]*,,online,unknown,broker_down,[^\n]*\n$/, 'and what concerns the whole cluster');
});

onMock('the_sums_by_node_can_be_saved', '#/overview', {}, async (page) => {
  const [head, ...rows] = await saved(page);
  assert.equal(head, 'node,status,readings,observations,memories,sources');
  assert.equal(rows.length, 9);
  assert.match(rows.join('\n'), /^north-wall,unknown,,,,0$/m);
});
