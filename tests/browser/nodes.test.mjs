// One node's page, the events and the tab's icon, against the real llamad.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { launchBrowser, live, openPage } from './browser.mjs';
import { FakeAgent } from './fake-agent.mjs';
import { Stack, until } from './support.mjs';

let stack;
let browser;
const open = [];

before(async () => {
  stack = await Stack.start({
    cluster: {
      aggregation_interval: 2,
      request_timeout: 2,
      discovery_method: 'manual',
      poll_allow: ['127.0.0.0/8'],
      manual_nodes: [{ name: 'configured', url: 'http://127.0.0.1:9' }],
    },
  });
  browser = await launchBrowser();
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((context) => context.close()));
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

function onPage(name, hash, run) {
  test(name, { timeout: 60_000 }, async () => {
    try {
      const { page, context, wrong } = await openPage(browser, stack.url + hash);
      open.push(context);
      await live(page);
      await run(page);
      const bad = (await wrong()).filter((one) => !/status of (404|409)/.test(one));
      assert.deepEqual(bad, []);
    } catch (error) {
      stack.printLogs();
      throw error;
    }
  });
}

/** A line of the evidence by its title. */
const line = (page, title) =>
  page.locator('.grounds > div').filter({ has: page.locator('dt', { hasText: new RegExp(`${title}$`) }) });
const icon = (page) => page.locator('link[rel=icon]').getAttribute('href');

onPage('the_page_of_a_node_shows_what_its_state_rests_on', '#/node?node=pantry', async (page) => {
  await page.getByRole('heading', { name: 'pantry is not here' }).waitFor();
  const agent = new FakeAgent(stack, 'pantry', { intervalS: 10 })
    .online()
    .readings({ 'dht11:temperature': { value: 19.5, unit: 'celsius' }, 'x:text': 'long '.repeat(200) })
    .observations([{ text: 'The pantry is cool' }])
    .memories([{ text: 'It has no window' }]);
  agent.heartbeat();
  await page.locator('.node-head h2', { hasText: 'pantry' }).waitFor();
  await line(page, 'Heartbeat').filter({ hasText: 'every 10 s' }).waitFor();
  await line(page, 'Status').filter({ hasText: 'says it is online' }).waitFor();
  await line(page, 'HTTP').filter({ hasText: 'no address to ask' }).waitFor();
  await line(page, 'Readings').filter({ hasText: 'sent by its agent' }).waitFor();
  await line(page, 'Session').filter({ hasText: agent.session }).waitFor();
  await page.getByText('The pantry is cool').waitFor();
  await page.getByText('It has no window').waitFor();
  await page.locator('.chosen .chart path.line').waitFor({ state: 'attached' });
  await page.getByRole('img', { name: /dht11:temperature.*last 19\.5 °C/ }).waitFor();
  await page.getByRole('link', { name: 'x:text' }).click();
  await page.locator('.chosen').getByRole('button', { name: 'Show all' }).click();
  assert.match(await page.locator('.chosen .prose').innerText(), /(long ){199}long/);
  assert.match(page.url(), /source=x%3Atext/);
  await page.reload();
  await page.locator('.chosen').getByText('x:text').waitFor();
});

onPage('a_last_will_is_told_as_such', '#/node?node=shaky', async (page) => {
  const agent = new FakeAgent(stack, 'shaky').online();
  await line(page, 'Status').filter({ hasText: 'online' }).waitFor();
  stack.publish(
    'alpaca/shaky/status',
    JSON.stringify({ state: 'offline', session: agent.session, at: new Date().toISOString() }),
  );
  await page.locator('.node-head').filter({ hasText: /unreachable|stale/ }).waitFor();
  await line(page, 'Status').filter({ hasText: 'last will' }).waitFor();
  await page.locator('.few .event').first().waitFor();
});

onPage('a_killed_agent_is_seen_and_comes_back', '#/node?node=real', async (page) => {
  const agent = await stack.startAgent('real');
  await line(page, 'Heartbeat').filter({ hasText: 'every 1 s' }).waitFor();
  await agent.kill();
  await page.locator('.node-head.s-unreachable, .node-head.s-stale').waitFor();
  await line(page, 'Status').filter({ hasText: 'last will' }).waitFor();
  await page.waitForFunction(() => /^\([1-9]/.test(document.title));
  await page.locator('.node-page.old').waitFor();
  const again = await stack.startAgent('real');
  await page.locator('.node-head.s-online').waitFor();
  await line(page, 'Earlier session').first().waitFor();
  assert.deepEqual(await again.stop(), []);
});

onPage('refresh_asks_the_node', '#/node?node=asked', async (page) => {
  new FakeAgent(stack, 'asked').online();
  await page.getByRole('button', { name: 'Refresh asked' }).click();
  await page.getByRole('button', { name: /^Asked/ }).waitFor();
});

onPage('a_forgotten_node_is_gone_and_comes_back_when_it_speaks', '#/node?node=passing', async (page) => {
  new FakeAgent(stack, 'passing').online().readings({ 'a:b': 1 });
  const forget = page.getByRole('button', { name: 'Forget…' });
  await forget.click();
  const dialog = page.getByRole('dialog');
  await dialog.filter({ hasText: 'it comes back' }).waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await forget.click();
  const other = await openPage(browser, `${stack.url}#/node?node=passing`);
  open.push(other.context);
  await other.page.locator('.node-head').waitFor();
  await dialog.getByRole('button', { name: 'Forget', exact: true }).click();
  await page.waitForURL(/#\/overview$/);
  await page.locator('.card[data-node="passing"]').waitFor({ state: 'detached' });
  await other.page.getByRole('heading', { name: 'passing was forgotten' }).waitFor();
  new FakeAgent(stack, 'passing').online();
  await page.locator('.card[data-node="passing"]').waitFor();
  await other.page.locator('.node-head').waitFor();
});

onPage('a_configured_node_cannot_be_forgotten_here', '#/node?node=configured', async (page) => {
  await line(page, 'HTTP').filter({ hasText: /refused|connect|answer/i }).waitFor();
  await page.getByRole('button', { name: 'Forget…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Forget', exact: true }).click();
  await page.getByRole('alert').filter({ hasText: 'configuration' }).waitFor();
});

onPage('events_can_be_linked_to_and_narrowed', '#/events?node=flappy', async (page) => {
  const agent = new FakeAgent(stack, 'flappy').online();
  const status = (fields) =>
    stack.publish(
      'alpaca/flappy/status',
      JSON.stringify({ session: agent.session, at: new Date().toISOString(), ...fields }),
    );
  status({ state: 'offline', reason: 'stopped' });
  const event = page.locator('.event[data-node="flappy"]').filter({ hasText: 'unreachable' }).first();
  await event.waitFor();
  await page.getByRole('heading', { name: 'Today' }).waitFor();
  await event.getByRole('link', { name: 'to this event' }).click();
  await page.waitForURL(/event=\d+/);
  await page.locator('.event.linked[data-node="flappy"]').waitFor();
  await page.reload();
  await page.locator('.event.linked[data-node="flappy"]').waitFor();
  await page.getByLabel('Filter by state').selectOption('degraded');
  await page.locator('.event[data-node="flappy"]').waitFor({ state: 'detached' });
  await page.goBack();
  await page.locator('.event.linked').getByRole('link', { name: 'flappy' }).click();
  await page.locator('.node-head h2', { hasText: 'flappy' }).waitFor();
});

onPage('title_and_icon_count_the_broken_nodes', '#/overview', async (page) => {
  const number = async () => Number((/^\((\d+)\)/.exec(await page.title()) ?? [0, 0])[1]);
  const nodes = async () => (await (await fetch(`${stack.url}api/cluster/nodes`)).json()).nodes;
  await until(
    async () => (await number()) === (await nodes()).filter((node) => node.status !== 'online').length,
    'the title tells the number',
  );
  const before = await number();
  assert.equal(await icon(page), before === 0 ? 'icon.svg' : `icon-${before}.svg`);
  const answer = await fetch(new URL(await icon(page), stack.url));
  assert.equal(answer.headers.get('content-type'), 'image/svg+xml');
  const { session } = new FakeAgent(stack, 'one more').online();
  await page.locator('.card[data-node="one more"]').waitFor();
  stack.publish(
    'alpaca/one more/status',
    JSON.stringify({ state: 'offline', reason: 'stopped', session, at: new Date().toISOString() }),
  );
  await until(async () => (await number()) === before + 1, 'one more is broken');
  assert.equal(await icon(page), `icon-${before + 1}.svg`);
});
