// Twenty thousand readings, and values that move while somebody reads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHONE, sideways } from '../browser.mjs';
import { onMock, openMock, row, tell } from './support.mjs';

const set = (node, source, value) => tell(`value?node=${node}&source=${encodeURIComponent(source)}&value=${value}`);
const firstNode = (page) => page.locator('tbody tr:not(.space)').first().getAttribute('data-node');

/** What stands at each of some places of the window: a row, or null where nothing is drawn. */
const IN_SIGHT = () =>
  [0.35, 0.5, 0.65, 0.8, 0.95].map((part) => {
    const at = document.elementFromPoint(innerWidth / 2, innerHeight * part)?.closest('tr');
    return at && !at.classList.contains('space') ? at.getAttribute('aria-rowindex') : null;
  });

test('end_of_a_long_table_is_one_key_away', { timeout: 60_000 }, async () => {
  const { page, wrong } = await openMock('#/readings', { mock: { extra: 1000 } });
  await row(page, 'attic', 'gpio:17').waitFor();
  const all = Number(await page.locator('table.readings').getAttribute('aria-rowcount'));
  assert.ok(all > 20_000, `${all} rows`);
  await page.keyboard.press('End');
  await page.locator(`tr[aria-rowindex="${all}"]`).waitFor();
  assert.ok((await page.locator('tbody tr').count()) < 200, 'a few of them exist');
  assert.deepEqual(await wrong(), []);
});

test('turning_the_wheel_through_a_long_table_meets_no_blank_row', { timeout: 120_000 }, async () => {
  const { page } = await openMock('#/readings', { mock: { extra: 1000, still: false } });
  await row(page, 'attic', 'gpio:17').waitFor();
  await page.mouse.move(600, 500);
  const blank = [];
  for (let i = 0; i < 15; i++) {
    await page.mouse.wheel(0, 700);
    // What the next picture shows.
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    const seen = await page.evaluate(IN_SIGHT);
    if (seen.includes(null)) blank.push([i, seen]);
  }
  assert.deepEqual(blank, []);
  assert.ok((await page.evaluate(() => scrollY)) > 8_000);
});

test('rows_sorted_by_value_stay_while_one_is_pointed_at_and_move_when_it_is_left', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/readings?q=value_3&sort=-value', { mock: { extra: 12 } });
  await row(page, 'pi-1', 'probe:value_3').waitFor();
  const first = await firstNode(page);
  const other = first === 'pi-1' ? 'pi-2' : 'pi-1';
  await row(page, first, 'probe:value_3').hover();
  await set(other, 'probe:value_3', 5000);
  await row(page, other, 'probe:value_3').filter({ hasText: '5000' }).waitFor();
  // Longer than the table waits when nobody points at it.
  const until = Date.now() + 3000;
  while (Date.now() < until) {
    await set(other, 'probe:value_3', 5000 + (until % 7));
    assert.equal(await firstNode(page), first);
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  await page.mouse.move(5, 5);
  await set(other, 'probe:value_3', 5010);
  await page.waitForFunction(
    (name) => document.querySelector('tbody tr:not(.space)').dataset.node === name,
    other,
  );
});

test('changed_value_flashes_and_rows_that_are_scrolled_to_do_not', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/readings', { mock: { extra: 50 } });
  const mem = row(page, 'attic', 'system:mem_percent').locator('.c-value a');
  await mem.waitFor();
  assert.equal(await mem.getAttribute('class'), '');
  await set('attic', 'system:mem_percent', 12.5);
  await page.locator('.c-value a.flash-b', { hasText: '12.5' }).waitFor();
  await set('attic', 'system:mem_percent', 13.5);
  await page.locator('.c-value a.flash-a', { hasText: '13.5' }).waitFor();
  await page.mouse.move(600, 500);
  await page.mouse.wheel(0, 8000);
  await page.waitForFunction(() => scrollY > 7000);
  await row(page, 'pi-9', 'probe:value_0').waitFor();
  assert.equal(await page.locator('[class^="flash"]').count(), 0);
});

test('nothing_flashes_for_those_who_want_less_motion', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/readings?node=attic');
  const value = row(page, 'attic', 'system:mem_percent').locator('.c-value a');
  const animation = () => value.evaluate((element) => getComputedStyle(element, '::after').animationName);
  await set('attic', 'system:mem_percent', 12.5);
  await value.filter({ hasText: '12.5' }).waitFor();
  assert.match(await animation(), /^flash/);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  assert.equal(await animation(), 'none');
});

test('head_of_the_table_stays_in_sight_below_the_top_bar', { timeout: 60_000 }, async () => {
  const { page } = await openMock('#/readings', { mock: { extra: 20 } });
  await row(page, 'attic', 'gpio:17').waitFor();
  await page.evaluate(() => scrollTo(0, 3000));
  const gap = () =>
    page.evaluate(
      () =>
        document.querySelector('thead th').getBoundingClientRect().top -
        document.querySelector('.top').getBoundingClientRect().bottom,
    );
  assert.ok(Math.abs(await gap()) <= 1, `${await gap()} px`);
  await tell('broker?down=1');
  await page.getByRole('alert').waitFor();
  await page.waitForFunction(
    () =>
      Math.abs(
        document.querySelector('thead th').getBoundingClientRect().top -
          document.querySelector('.top').getBoundingClientRect().bottom,
      ) <= 1,
  );
});

test('large_cluster_is_compared_in_rows_that_can_be_scrolled_through', { timeout: 60_000 }, async () => {
  const { page, wrong } = await openMock('#/compare?source=probe%3Avalue_3', { mock: { extra: 1000 } });
  await set('pi-77', 'probe:value_3', 99999);
  await page.locator('.sum .odd', { hasText: 'pi-77' }).filter({ hasText: '▲ high' }).waitFor();
  await page.getByText('64 of 1\u202f000 nodes shown in the chart.').waitFor();
  assert.equal(await page.locator('table.compared').getAttribute('aria-rowcount'), '1001');
  assert.ok((await page.locator('tbody tr').count()) < 200);
  await page.keyboard.press('End');
  await page.locator('tr[data-node="pi-1000"]').waitFor();
  assert.deepEqual(await wrong(), []);
});

for (const hash of ['compare', 'compare?source=system%3Amem_percent', 'compare?source=gpio%3A17']) {
  test(`recorded_awkward_texts_fit_a_phone_in_${hash}`, { timeout: 60_000 }, async () => {
    const { page, wrong } = await openMock(`#/${hash}`, { viewport: PHONE, mock: { extra: 3 } });
    await page.locator('tbody tr:not(.space)').first().waitFor();
    assert.equal(await sideways(page), 0);
    assert.deepEqual(await wrong(), []);
  });
}

for (const width of [640, 800])
  onMock(`names_of_sources_can_be_read_at_${width}_pixels`, '#/readings', { viewport: { width, height: 500 } }, async (page) => {
    const source = row(page, 'attic', 'system:mem_available_mb').locator('.c-source');
    await source.waitFor();
    const { wide, room } = await source.evaluate((cell) => ({ wide: cell.scrollWidth, room: cell.clientWidth }));
    assert.ok(wide <= room, `${wide} px in ${room}`);
    assert.equal(await sideways(page), 0);
  });
