// What only a llamad that misbehaves on purpose can show: the page against the mock.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHONE, live, sideways } from '../browser.mjs';
import { address, openMock, row, tell } from './support.mjs';

test('lost_socket_is_polled_for_and_comes_back', { timeout: 60_000 }, async () => {
  const { page, wrong } = await openMock('#/readings');
  await tell('down?ms=3000');
  await page.getByRole('alert').filter({ hasText: 'Connection lost' }).waitFor();
  await live(page);
  await tell(`value?node=kitchen&source=${encodeURIComponent('gpio:17')}&value=0`);
  await row(page, 'kitchen', 'gpio:17').filter({ hasText: 'off' }).waitFor();
  assert.deepEqual(await wrong(), []);
});

test('values_come_by_polling_while_sockets_are_refused', { timeout: 60_000 }, async () => {
  const { page, wrong } = await openMock('#/readings?node=kitchen');
  await tell('nosocket?ms=20000');
  await page
    .getByRole('alert')
    .filter({ hasText: /Connection lost.*polling.*retry in \d+ s/s })
    .waitFor();
  await tell(`value?node=kitchen&source=${encodeURIComponent('system:mem_percent')}&value=77.25`);
  await row(page, 'kitchen', 'system:mem_percent').filter({ hasText: '77.25' }).waitFor();
  assert.equal(await page.locator('main.outdated').count(), 0, 'what was polled is current');
  assert.deepEqual(await wrong(), []);
});

test('delta_of_another_instance_brings_a_new_snapshot', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/readings');
  const sockets = [];
  page.on('websocket', (socket) => sockets.push(socket.url()));
  await tell('gap');
  await page.getByRole('alert').waitFor();
  await live(page);
  assert.equal(sockets.length, 1);
});

test('restarted_llamad_shows_its_own_picture', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/overview');
  await tell('forget?node=workshop');
  await page.locator('.card[data-node="workshop"]').waitFor({ state: 'detached' });
  await tell('restart');
  await page.locator('.card[data-node="workshop"]').waitFor();
});

test('forgotten_node_leaves_every_view', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/readings');
  await row(page, 'kitchen', 'gpio:17').waitFor();
  await tell('forget?node=kitchen');
  await row(page, 'kitchen', 'gpio:17').waitFor({ state: 'detached' });
  await page.goto(address('#/observations'));
  await page.locator('.item[data-node="workshop"]').first().waitFor();
  assert.equal(await page.locator('.item[data-node="kitchen"]').count(), 0);
});

test('state_change_moves_the_card_to_the_front_and_into_the_title', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/overview');
  await page.waitForFunction(() => document.title.startsWith('(4)'));
  await tell('state?node=attic&to=unreachable&cause=stopped&reason=stopped%20in%20order');
  await page.locator('.card').first().and(page.locator('[data-node="attic"]')).waitFor();
  await page.waitForFunction(() => document.title.startsWith('(5)'));
  assert.match(
    await page.locator('.card').first().innerText(),
    /unreachable[\s\S]*stopped: stopped in order/,
  );
});

test('values_of_silent_nodes_are_marked_as_old_with_their_age', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/readings?q=mem_percent');
  const old = row(page, 'workshop', 'system:mem_percent');
  await old.filter({ hasText: /old\s*44 min/ }).waitFor();
  const fresh = row(page, 'kitchen', 'system:mem_percent');
  const color = (locator) => locator.locator('.value').evaluate((element) => getComputedStyle(element).color);
  assert.notEqual(await color(old), await color(fresh));
});

test('broker_that_is_away_is_told_of_until_it_is_back', { timeout: 60_000 }, async () => {
  const { page, wrong } = await openMock('#/readings');
  await tell('broker?down=1');
  const banner = page.getByRole('alert').filter({ hasText: /Broker down.*since \d\d:\d\d:\d\d/ });
  await banner.waitFor();
  assert.deepEqual(await page.evaluate(LOW_CONTRAST), []);
  await tell('nosocket?ms=20000');
  await page.getByRole('alert').filter({ hasText: /Connection lost.*polling/ }).waitFor();
  await tell('broker?down=0');
  await banner.waitFor({ state: 'detached' });
  assert.deepEqual(await wrong(), []);
});

test('large_numbers_are_grouped_and_can_be_searched_and_copied', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/readings?node=kitchen&q=mem_available');
  await tell(`value?node=kitchen&source=${encodeURIComponent('system:mem_available_mb')}&value=23213.5`);
  const value = row(page, 'kitchen', 'system:mem_available_mb').locator('.value');
  await value.filter({ hasText: '23213.5' }).waitFor();
  assert.equal(await value.locator('.group').innerText(), '213.5');
  await page.goto(address('#/readings?node=kitchen&q=23213'));
  await value.waitFor();
});

test('ages_tick', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/readings');
  const cell = row(page, 'attic', 'system:mem_percent').locator('.age');
  const before = await cell.innerText();
  await page.waitForFunction(
    ([was]) => {
      const now = document.querySelector('tr[data-node="attic"] .age')?.textContent;
      return now !== was && /^\d+ s$/.test(now ?? '');
    },
    [before],
  );
});

test('long_table_makes_only_the_rows_in_sight_and_all_can_be_scrolled_to', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/readings', { mock: { extra: 1000 } });
  const table = page.locator('table.readings');
  await row(page, 'attic', 'gpio:17').waitFor();
  const all = Number(await table.getAttribute('aria-rowcount')) - 1;
  assert.ok(all > 20_000, `${all} rows`);
  assert.ok((await table.locator('tbody tr').count()) < 200, 'a few of them exist');
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await row(page, 'workshop', 'system:mem_percent').waitFor();
  assert.equal(await table.locator('tbody tr:not(.space)').last().getAttribute('aria-rowindex'), String(all + 1));
});

test('rows_in_sight_stay_where_they_are_while_others_come_above', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/readings', { mock: { extra: 40 } });
  await row(page, 'attic', 'gpio:17').waitFor();
  await page.evaluate(() => scrollTo(0, 12_000));
  const seen = async () =>
    page.evaluate(() => {
      const found = document.elementFromPoint(600, 400).closest('tr');
      return [found.dataset.node, found.dataset.source, Math.round(found.getBoundingClientRect().top)];
    });
  await page.waitForFunction(() => document.elementFromPoint(600, 400)?.closest('tr')?.dataset.node);
  const before = await seen();
  const shape = await page.locator('table.readings').getAttribute('aria-rowcount');
  await tell(`value?node=attic&source=${encodeURIComponent('aaa:new')}&value=1`);
  await page.waitForFunction(
    (was) => document.querySelector('table.readings').getAttribute('aria-rowcount') !== was,
    shape,
  );
  assert.deepEqual(await seen(), before);
});

test('long_texts_are_folded', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/observations?node=kitchen&q=lookback');
  const item = page.locator('.item').first();
  const short = (await item.innerText()).length;
  await item.getByRole('button', { name: 'Show all' }).click();
  assert((await item.innerText()).length > 2 * short);
});

test('address_with_an_unknown_node_says_so', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/readings?node=nobody');
  await page.getByText('There is no node of this name.').waitFor();
  assert.equal(await page.getByLabel('Node', { exact: true }).inputValue(), 'nobody');
});

for (const view of ['overview', 'readings', 'observations', 'memories', 'events']) {
  test(`recorded_awkward_texts_fit_a_phone_in_${view}`, { timeout: 60_000 }, async () => {
    const { page, wrong } = await openMock(`#/${view}`, { viewport: PHONE });
    await page.locator('main .list-head').first().waitFor();
    assert.equal(await sideways(page), 0);
    const folded = page.getByRole('button', { name: 'Show all' });
    while ((await folded.count()) > 0) await folded.first().click();
    assert.equal(await sideways(page), 0);
    assert.deepEqual(await wrong(), []);
  });
}

/** WCAG contrast of every text on the page with the background behind it. */
const LOW_CONTRAST = () => {
  const parse = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
  const linear = (c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (
      !walker.currentNode.textContent.trim() ||
      element.getClientRects().length === 0 ||
      element.closest('.sr, option')
    )
      continue;
    const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5)
      low.push(`${ratio.toFixed(2)} ${element.className}: ${walker.currentNode.textContent.slice(0, 30)}`);
  }
  return [...new Set(low)];
};

for (const colorScheme of ['light', 'dark']) {
  test(`texts_have_enough_contrast_in_${colorScheme}`, { timeout: 60_000 }, async () => {
    const { page } = await openMock('#/overview', { colorScheme });
    for (const view of ['overview', 'readings', 'observations', 'memories', 'events']) {
      await page.goto(address(`#/${view}`));
      await page.waitForTimeout(150);
      assert.deepEqual(await page.evaluate(LOW_CONTRAST), [], view);
    }
    await tell('down?ms=20000');
    await page.getByRole('alert').waitFor();
    assert.deepEqual(await page.evaluate(LOW_CONTRAST), [], 'connection lost');
  });
}
