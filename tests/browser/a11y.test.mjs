// Everybody can use the dashboard: axe finds nothing on any view, dialog and state that the real programs show with
// awkward data, and the main tasks need no mouse.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { assertAccessible } from './axe.mjs';
import { launchBrowser, live, openPage } from './browser.mjs';
import { FakeAgent } from './fake-agent.mjs';
import { ROOT, Stack } from './support.mjs';

const fixture = (node, kind) =>
  readFileSync(join(ROOT, 'tests', 'fixtures', 'smollama', node, `${kind}.json`), 'utf8');

let stack;
let browser;
let context;

before(async () => {
  stack = await Stack.start();
  browser = await launchBrowser();
  new FakeAgent(stack, 'kitchen')
    .online()
    .report('readings', fixture('kitchen', 'readings'))
    .report('observations', fixture('kitchen', 'observations_all'))
    .report('memories', fixture('kitchen', 'memories_all'))
    .stats({ readings_count: 1200, observations_count: 1, memories_count: 1 })
    .heartbeat();
  new FakeAgent(stack, 'attic', { type: 'llama' })
    .online()
    .readings({ 'system:cpu_temp': { value: 31.25, unit: 'celsius' }, 'x:<b>': { value: { a: [1, null] } } })
    .heartbeat();
  const gone = new FakeAgent(stack, '__proto__').online().readings({ 'system:cpu_temp': 1 });
  stack.publish('alpaca/__proto__/status', JSON.stringify({ state: 'offline', session: gone.session, reason: 'stopped' }));
});

afterEach(async () => {
  await context?.close();
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

function onPage(name, hash, run) {
  test(name, { timeout: 180_000 }, async () => {
    try {
      const opened = await openPage(browser, stack.url + hash);
      context = opened.context;
      await live(opened.page);
      await run(opened.page);
      assert.deepEqual(await opened.wrong(), []);
    } catch (error) {
      stack.printLogs();
      throw error;
    }
  });
}

const heading = (page, name) => page.getByRole('heading', { level: 1, name });

for (const [hash, name] of [
  ['#/overview', 'Overview'],
  ['#/readings', 'Readings'],
  ['#/compare', 'Compare'],
  ['#/compare?source=system%3Acpu_temp', 'Compare'],
  ['#/observations', 'Observations'],
  ['#/memories', 'Memories'],
  ['#/events', 'Events'],
  ['#/node?node=kitchen', 'kitchen'],
  ['#/node?node=__proto__', '__proto__'],
  ['#/readings?node=nobody', 'Readings of nobody'],
]) {
  onPage(`axe_finds_nothing_in_${hash.slice(2)}`, hash, async (page) => {
    await heading(page, name).waitFor();
    await assertAccessible(page, hash);
  });
}

for (const [key, name] of [
  ['Control+k', 'Jump to'],
  ['?', 'Help and settings'],
]) {
  onPage(`axe_finds_nothing_in_the_dialog_${name.replaceAll(' ', '_')}`, '#/overview', async (page) => {
    await page.keyboard.press(key);
    await page.getByRole('dialog', { name }).waitFor();
    await assertAccessible(page, name);
  });
}

onPage('keys_alone_do_the_main_tasks', '#/overview', async (page) => {
  const press = (key) => page.keyboard.press(key);
  const focused = () =>
    page.evaluate(() => {
      const one = document.activeElement;
      return one.getAttribute('aria-label') || one.textContent.trim() || one.tagName;
    });
  const tabTo = async (name) => {
    for (let i = 0; i < 60; i++) {
      await press('Tab');
      if (name.test(await focused())) return;
    }
    assert.fail(`Tab does not reach ${name}`);
  };
  // The skip link, first of all.
  await press('Tab');
  assert.equal(await focused(), 'Skip to the content');
  await press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  // Another view by the navigation: its heading has the focus, then what is in it.
  await page.reload();
  await live(page);
  await tabTo(/^Readings$/);
  await press('Enter');
  await page.waitForFunction(() => document.activeElement.tagName === 'H1');
  assert.equal(await page.title().then((title) => title.replace(/^\(.*?\) /, '')), 'Readings · Smollama cluster');
  await tabTo(/^Value/);
  await press('Enter');
  await page.waitForFunction(() => location.hash.includes('sort=value'));
  assert.match(await focused(), /^Value/, 'the head of the column keeps the focus');
  // Searching, jumping, and back.
  await press('/');
  await page.keyboard.type('cpu_temp');
  await page.waitForFunction(() => location.hash.includes('q=cpu_temp'));
  await press('Control+k');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.type('kitchen');
  await page.getByRole('dialog').getByRole('option', { name: /kitchen/ }).first().waitFor();
  await press('Enter');
  await heading(page, 'kitchen').waitFor();
  await page.waitForFunction(() => document.activeElement.tagName === 'H1');
  await page.goBack();
  await heading(page, 'Readings').waitFor();
  assert.equal(await page.getByRole('searchbox').inputValue(), 'cpu_temp');
});

onPage('what_is_read_out_by_itself_is_little', '#/readings?node=kitchen', async (page) => {
  await page.locator('tr[data-node="kitchen"]').first().waitFor();
  await page.evaluate(() => {
    window.told = [];
    const look = (records) => {
      for (const { target } of records) {
        const element = target.nodeType === 1 ? target : target.parentElement;
        const region = element?.closest('[role=status], [role=alert], [aria-live]');
        if (region?.textContent && !element.closest('[aria-hidden=true]')) window.told.push(region.textContent);
      }
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  const agent = new FakeAgent(stack, 'cellar').online();
  for (let i = 0; i < 5; i++) {
    agent.readings({ 'system:cpu_temp': { value: 20 + i, unit: 'celsius' } });
    await page.locator('option', { hasText: 'cellar' }).waitFor({ state: 'attached' });
  }
  assert.deepEqual(await page.evaluate(() => window.told), []);
});

// Last, as they take the broker and llamad away.
onPage('axe_finds_nothing_while_the_broker_is_down_and_the_connection_lost', '#/overview', async (page) => {
  await stack.broker.kill();
  await page.getByRole('alert').filter({ hasText: 'Broker down' }).waitFor();
  await assertAccessible(page, 'broker down');
  await stack.llamad.kill();
  await page.getByRole('alert').filter({ hasText: 'Connection lost' }).waitFor();
  await page.locator('main.outdated').waitFor();
  await assertAccessible(page, 'connection lost');
});
