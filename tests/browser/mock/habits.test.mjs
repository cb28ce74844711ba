// Habits of the page that only a llamad under our thumb can show: refused reading, restarts, pauses, themes, keys.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHONE, live, sideways } from '../browser.mjs';
import { address, onMock, openBlank, openMock, row, tell } from './support.mjs';

const focusIn = (page, selector) => page.waitForFunction((one) => document.activeElement?.matches(one), selector);
const refusal = (wrong) => wrong.filter((one) => !/status of 40[13]/.test(one));

// ---- keys -------------------------------------------------------------------------------------------------

onMock('slash_focuses_the_search_and_is_a_letter_while_typing', '#/readings', {}, async (page) => {
  await page.keyboard.press('/');
  await focusIn(page, 'main input[type=search]');
  await page.keyboard.type('a/b?');
  assert.equal(await page.getByRole('searchbox').inputValue(), 'a/b?');
  assert.equal(await page.locator('dialog').count(), 0);
});

onMock('g_and_a_letter_go_to_a_view', '', {}, async (page) => {
  await page.keyboard.type('gr');
  await page.waitForFunction(() => location.hash === '#/readings');
  await page.keyboard.type('r');
  await page.keyboard.type('ge');
  await page.waitForFunction(() => location.hash === '#/events');
});

onMock('letters_can_be_switched_off_and_stay_off', '', {}, async (page) => {
  await page.keyboard.press('?');
  await page.getByRole('checkbox', { name: /Single letters/ }).uncheck();
  await page.keyboard.press('Escape');
  await page.reload();
  await live(page);
  await page.keyboard.press('?');
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Node, source or view/ }).waitFor();
  assert.equal(await page.locator('dialog').count(), 1, 'Ctrl K still works, ? does not');
});

onMock('palette_finds_nodes_sources_and_views', '', {}, async (page) => {
  const field = page.getByRole('combobox', { name: /Node, source or view/ });
  const options = page.getByRole('dialog').getByRole('option');
  await page.keyboard.press('Control+k');
  await field.waitFor();
  await field.fill('kit');
  await options.filter({ hasText: /^kitchen.*online.*node$/s }).waitFor();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.hash === '#/node?node=kitchen');
  await focusIn(page, 'h1');
  await page.keyboard.press('Meta+k');
  await field.fill('unreachable');
  await options.filter({ hasText: 'workshop' }).waitFor();
  await field.fill('CPU temp');
  assert.match(await options.first().innerText(), /system:cpu_temp\s+source/);
  await field.fill('memo');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.hash.startsWith('#/memories'));
  await page.keyboard.press('Control+k');
  await field.fill('nothing like this');
  await page.getByRole('status').getByText('Nothing of that name').waitFor();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'detached' });
});

onMock('palette_marks_the_choice_for_screen_readers', '', {}, async (page) => {
  await page.keyboard.press('Control+k');
  const active = () =>
    page.evaluate(() => {
      const id = document.querySelector('[role=combobox]').getAttribute('aria-activedescendant');
      return [document.getElementById(id)?.getAttribute('aria-selected'), document.querySelectorAll('[aria-selected=true]').length];
    });
  assert.deepEqual(await active(), ['true', 1]);
  await page.keyboard.press('ArrowUp');
  assert.deepEqual(await active(), ['true', 1]);
  assert.equal(await page.getByRole('dialog').getByRole('option').last().getAttribute('aria-selected'), 'true', 'up from the first is the last');
});

onMock('palette_shows_no_more_than_one_can_read', '', { mock: { extra: 200 } }, async (page) => {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Node, source or view/ }).fill('pi-1');
  const options = page.getByRole('dialog').getByRole('option');
  await options.filter({ hasText: /^pi-1\D/ }).first().waitFor();
  assert.ok((await options.count()) <= 22);
});

onMock('dialogs_keep_the_focus_and_give_it_back', '', {}, async (page) => {
  for (const name of ['Jump to', 'Help and settings']) {
    const button = page.getByRole('button', { name, exact: true });
    await button.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name }).waitFor();
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press('Tab');
      const inside = await page.evaluate(
        () => document.activeElement === document.body || document.activeElement?.closest('dialog') !== null,
      );
      assert.ok(inside, `${name}: the focus left after ${i + 1} tabs`);
    }
    await page.keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });
    assert.ok(await button.evaluate((one) => one === document.activeElement), name);
  }
});

onMock('a_click_beside_a_dialog_closes_it', '', {}, async (page) => {
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  await page.mouse.click(5, 5);
  await page.locator('dialog').waitFor({ state: 'detached' });
});

// ---- theme ------------------------------------------------------------------------------------------------

const look = (page) =>
  page.evaluate(() => ({
    theme: document.documentElement.dataset.theme,
    scheme: getComputedStyle(document.documentElement).colorScheme,
    bar: document.querySelector('meta[name=theme-color]').content,
    background: getComputedStyle(document.documentElement).backgroundColor,
  }));

onMock('theme_follows_the_system_until_one_is_chosen', '', { colorScheme: 'light' }, async (page) => {
  const light = await look(page);
  assert.equal(light.scheme, 'light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
  const dark = await look(page);
  assert.equal(dark.scheme, 'dark');
  assert.notEqual(dark.background, light.background);
  assert.notEqual(dark.bar, light.bar);
  await page.keyboard.press('?');
  await page.getByRole('radio', { name: 'Light' }).check();
  assert.deepEqual(await look(page), light);
  await page.keyboard.press('Escape');
  await page.reload();
  await live(page);
  assert.deepEqual(await look(page), light, 'the choice is remembered');
  const other = await page.context().newPage();
  await other.goto(address());
  await other.keyboard.press('?');
  await other.getByRole('radio', { name: 'Dark' }).check();
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
  await page.keyboard.press('?');
  await page.getByRole('radio', { name: 'System' }).check();
  await page.emulateMedia({ colorScheme: 'light' });
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'light');
  assert.deepEqual(await look(page), light, 'by the system again');
});

onMock('no_frame_is_painted_in_the_wrong_theme', '', { colorScheme: 'light' }, async (page) => {
  await page.evaluate(() => localStorage.setItem('smollama-cluster.theme', 'dark'));
  // The page's own script comes late: what is painted until then is only by the style sheet and head.js.
  await page.route('**/app.js', async (route) => {
    await new Promise((done) => setTimeout(done, 300));
    await route.continue();
  });
  await page.addInitScript(() => {
    window.seen = [];
    const frame = () => {
      if (document.body) window.seen.push(getComputedStyle(document.documentElement).backgroundColor);
      if (window.seen.length < 10) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  await page.reload();
  await page.waitForFunction(() => window.seen.length === 10);
  assert.deepEqual(await page.evaluate(() => [...new Set(window.seen)]), ['rgb(14, 18, 23)']);
});

// ---- states -----------------------------------------------------------------------------------------------

for (const status of [401, 403]) {
  test(`reading_refused_with_${status}_is_said_and_shows_no_value`, { timeout: 60_000 }, async () => {
    const { page, wrong } = await openMock('#/readings?node=kitchen', { viewport: PHONE });
    await row(page, 'kitchen', 'gpio:17').waitFor();
    await tell(`refuse?status=${status}`);
    await page.getByRole('heading', { name: status === 401 ? 'Sign in to see the cluster' : 'You may not see' }).waitFor();
    assert.equal(await page.locator('tr').count(), 0);
    assert.equal(await page.getByRole('alert').count(), 0, 'and not told twice');
    assert.match(await page.title(), /^\(\?\) /, 'nobody knows how many are broken');
    assert.equal(await sideways(page), 0);
    const link = page.getByRole('link', { name: 'Sign in' });
    await tell('refuse?status=0');
    await link.click();
    await row(page, 'kitchen', 'gpio:17').waitFor();
    assert.match(page.url(), /#\/readings\?node=kitchen$/, 'the view is kept');
    assert.deepEqual(refusal(await wrong()), []);
  });
}

test('a_page_that_is_refused_from_the_start_says_so_and_recovers', { timeout: 60_000 }, async () => {
  const opened = await openBlank();
  await tell('refuse?status=401');
  await opened.page.goto(address());
  await opened.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await tell('refuse?status=0');
  await opened.page.locator('.card').first().waitFor();
  assert.deepEqual(refusal(await opened.wrong()), []);
});

test('what_is_not_there_yet_is_shown_as_loading', { timeout: 60_000 }, async () => {
  const { page } = await openBlank();
  await tell('nosocket?ms=60000');
  await page.route('**/api/**', () => {});
  await page.goto(address());
  await page.getByText('Waiting for the first answer').waitFor();
  assert.equal(await page.title(), 'Overview · Smollama cluster');
});

onMock('an_empty_cluster_says_what_to_do', '', { viewport: PHONE }, async (page) => {
  await tell('clear');
  await page.getByRole('heading', { name: 'No node has been heard yet' }).waitFor();
  await page.getByText('alpaca-agent -c').waitFor();
  assert.equal(await sideways(page), 0);
  await tell('restart');
  await page.locator('.card').first().waitFor();
});

onMock('the_countdown_goes_down_and_one_can_retry_at_once', '#/readings', {}, async (page) => {
  await tell('nosocket?ms=60000');
  const seconds = async () => Number(/retry in (\d+) s/.exec(await page.locator('.countdown').innerText())?.[1] ?? NaN);
  // The back-off grows: a wait long enough to see it move.
  await page.waitForFunction(() => {
    const now = Number(/retry in (\d+) s/.exec(document.querySelector('.countdown')?.textContent)?.[1] ?? 0);
    return now >= 3;
  });
  const first = await seconds();
  await page.waitForFunction(
    (was) => Number(/retry in (\d+) s/.exec(document.querySelector('.countdown')?.textContent)?.[1] ?? was) < was,
    first,
  );
  await tell('nosocket?ms=0');
  await page.getByRole('button', { name: 'Retry now' }).click();
  await live(page);
});

onMock('the_title_and_the_icon_say_how_many_are_broken', '#/readings', {}, async (page) => {
  await page.waitForFunction(() => document.title === '(4) Readings · Smollama cluster');
  assert.match(await page.locator('link[rel=icon]').getAttribute('href'), /^icon-\d\.svg$/);
  await tell('state?node=cellar&to=unreachable&cause=no_answer&reason=gone');
  await page.waitForFunction(() => document.title.startsWith('(5) '));
  await tell('down?ms=60000');
  await page.waitForFunction(() => document.title.startsWith('(?) '));
});

/** As if the tab were in the background: a headless browser has no other. */
const hide = (page, hidden) =>
  page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);

test('a_hidden_page_pauses_stays_cheap_and_shows_nothing_old_as_current', { timeout: 60_000 }, async () => {
  const opened = await openBlank();
  const { page } = opened;
  await page.clock.install();
  await page.goto(address('#/readings?node=kitchen'));
  await page.clock.resume();
  await live(page);
  const value = row(page, 'kitchen', 'system:mem_percent').locator('.value');
  await value.waitFor();
  const before = await value.innerText();
  await hide(page, true);
  await page.clock.fastForward(31_000);
  await page.getByText('Paused', { exact: true }).waitFor();
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  page.on('websocket', (socket) => asked.push(socket.url()));
  await tell(`value?node=kitchen&source=${encodeURIComponent('system:mem_percent')}&value=99.5`);
  await tell('state?node=cellar&to=unreachable&cause=no_answer&reason=gone');
  for (let i = 0; i < 6; i++) {
    await page.clock.fastForward(10_000);
    await page.evaluate(() => fetch('icon.svg'));
  }
  await page.waitForFunction(() => document.title.startsWith('(5) '), undefined, { polling: 50 });
  const health = asked.filter((path) => path !== '/icon.svg');
  assert.deepEqual([...new Set(health)].filter((path) => !path.startsWith('/icon')), ['/api/health']);
  assert.ok(health.length <= 5, `${health.length} requests in a minute`);
  assert.equal(await value.innerText(), before);
  assert.equal(await page.locator('main.outdated').count(), 1, 'an old value is marked before it is seen');
  // Whenever the page calls itself current, the new value is there.
  await page.evaluate(() => {
    window.lies = [];
    const look = () => {
      const current = document.querySelector('main.outdated') === null;
      const text = document.querySelector('tr[data-source="system:mem_percent"] .value')?.textContent ?? '';
      if (current && !text.startsWith('99.5')) window.lies.push(text);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  await hide(page, false);
  await live(page);
  await value.filter({ hasText: '99.5' }).waitFor();
  await page.locator('main.outdated').waitFor({ state: 'detached' });
  assert.deepEqual(await page.evaluate(() => window.lies), []);
  assert.deepEqual(await opened.wrong(), []);
});

// ---- left open for long -----------------------------------------------------------------------------------

onMock('after_an_update_of_llamad_the_page_takes_the_new_scripts_once_nobody_types', '#/readings?sort=-value', {}, async (page) => {
  const same = () => page.evaluate(() => window.same === true);
  await page.evaluate(() => (window.same = true));
  const looked = () => page.waitForResponse((answer) => answer.request().method() === 'HEAD');
  let answer = looked();
  await tell('restart');
  await answer;
  await page.getByRole('searchbox').fill('gpio');
  answer = looked();
  await tell('upgrade');
  await answer;
  await live(page);
  await page.waitForTimeout(1500);
  assert.ok(await same(), 'neither for a restart nor while somebody types');
  await page.getByRole('searchbox').blur();
  await page.waitForFunction(() => window.same !== true);
  await live(page);
  assert.match(page.url(), /#\/readings\?q=gpio&sort=-value$/);
  assert.equal(await page.getByRole('searchbox').inputValue(), 'gpio');
});

onMock('after_a_sleep_of_the_computer_the_connection_is_looked_at_at_once', '#/overview', {}, async (page) => {
  await tell('silent');
  const asked = page.waitForRequest(/\/api\/cluster\/nodes$/, { timeout: 5000 });
  await page.evaluate(() => {
    const now = Date.now;
    Date.now = () => now() + 3_600_000;
  });
  await asked;
});

test('a_network_that_came_back_has_the_connection_looked_at_at_once', { timeout: 60_000 }, async () => {
  const { page, wrong } = await openBlank();
  await page.clock.install();
  await page.goto(address('#/overview'));
  await page.clock.resume();
  await live(page);
  await tell('silent');
  // Too short to be taken for a sleep of the computer.
  await page.clock.fastForward(4000);
  const asked = page.waitForRequest(/\/api\/cluster\/nodes$/, { timeout: 5000 });
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await asked;
  assert.deepEqual(await wrong(), []);
});

test('a_page_opened_in_the_background_pauses', { timeout: 60_000 }, async () => {
  const { page, wrong } = await openBlank();
  await page.clock.install();
  await page.addInitScript(() => Object.defineProperty(document, 'hidden', { configurable: true, get: () => true }));
  await page.goto(address('#/readings'));
  await page.clock.resume();
  await live(page);
  await page.clock.fastForward(31_000);
  await page.getByText('Paused', { exact: true }).waitFor();
  assert.deepEqual(await wrong(), []);
});

test('what_was_today_gets_its_date_at_midnight', { timeout: 60_000 }, async () => {
  const { page, wrong } = await openBlank();
  await page.goto(address('#/observations'));
  await live(page);
  const first = page.locator('.item').filter({ has: page.locator('.age', { hasText: /\d s ago/ }) }).first().locator('time').first();
  const { dateTime } = await first.evaluate((time) => ({ dateTime: time.dateTime }));
  const item = page.locator(`time[datetime="${dateTime}"]`).first();
  assert.match(await item.innerText(), /^\d\d:\d\d:\d\d$/);
  await page.evaluate(() => {
    const now = Date.now;
    Date.now = () => now() + 86_400_000;
  });
  await item.filter({ hasText: /^\d{4}-\d\d-\d\d \d\d:\d\d$/ }).waitFor();
  assert.deepEqual(await wrong(), []);
});

onMock('on_paper_the_text_is_dark_and_no_row_is_blank', '#/readings', { colorScheme: 'dark', mock: { extra: 40 } }, async (page) => {
  await row(page, 'attic', 'gpio:17').waitFor();
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  const seen = await page.evaluate(() => ({
    text: getComputedStyle(document.body).color,
    blank: [...document.querySelectorAll('tr.space')].reduce((sum, one) => sum + one.getBoundingClientRect().height, 0),
    bar: getComputedStyle(document.querySelector('.top')).position,
  }));
  assert.deepEqual(seen, { text: 'rgb(24, 32, 42)', blank: 0, bar: 'static' });
});

// ---- address ----------------------------------------------------------------------------------------------

onMock('back_finds_the_place_that_was_left', '#/readings', { mock: { extra: 40 } }, async (page) => {
  await row(page, 'attic', 'gpio:17').waitFor();
  await page.evaluate(() => scrollTo(0, 6000));
  await page.waitForFunction(() => scrollY === 6000);
  await page.keyboard.type('ge');
  await page.waitForFunction(() => scrollY === 0 && location.hash === '#/events');
  await page.goBack();
  await page.waitForFunction(() => scrollY === 6000 && location.hash === '#/readings');
  await page.goForward();
  await page.waitForFunction(() => location.hash === '#/events');
  await page.goBack();
  await page.waitForFunction(() => scrollY === 6000);
  await page.reload();
  await live(page);
  await page.waitForFunction(() => scrollY === 6000, undefined, { timeout: 5000 });
  await page.keyboard.type('gm');
  await page.waitForFunction(() => location.hash === '#/memories');
  await page.goBack();
  await page.waitForFunction(() => scrollY === 6000, undefined, { timeout: 5000 });
});

onMock('bad_addresses_are_harmless', '', {}, async (page) => {
  for (const hash of ['#/nowhere', '#%E0%A4%A', '#/readings?sort=-__proto__&node=__proto__', '#/readings?sort=--', '#/events?event=%00%FF', '#/node', '#/compare?source=constructor&unit=__proto__']) {
    await page.goto(address(`${hash}`));
    await page.reload();
    await live(page);
    assert.notEqual(await page.locator('main h1').innerText(), '', hash);
  }
});

test('a_hidden_page_costs_next_to_nothing', { timeout: 90_000 }, async () => {
  const opened = await openMock('', { mock: { still: false, extra: 200, pace: 100 } });
  const { page } = opened;
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable');
  const worked = async () => {
    const { metrics } = await cdp.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration').value;
  };
  /** Seconds of work in as many of the clock. */
  const cost = async () => {
    const before = await worked();
    await new Promise((done) => setTimeout(done, 4000));
    return (await worked()) - before;
  };
  const seen = await cost();
  await hide(page, true);
  await page.getByText('Paused', { exact: true }).waitFor({ timeout: 60_000 });
  const hidden = await cost();
  console.log(`work in 4 s: ${seen.toFixed(3)} s seen, ${hidden.toFixed(3)} s hidden`);
  assert.ok(hidden < seen / 3, `${hidden} s hidden, ${seen} s seen`);
});
