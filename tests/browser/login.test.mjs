// Signing in and out in a browser: the page, the way back to the view, what a reader may not do, and how it ends.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { assertAccessible } from './axe.mjs';
import { DESKTOP, PHONE, launchBrowser, live, openPage } from './browser.mjs';
import { FakeAgent } from './fake-agent.mjs';
import { BUILD, Stack } from './support.mjs';

const PASSWORD = 'a long enough one';

let folder;
let stack;
let browser;
let context;

function passwd(name, ...options) {
  const args = ['passwd', '-f', join(folder, 'users'), ...options, name];
  const run = spawnSync(join(BUILD, 'llama', 'llamad'), args, { input: `${PASSWORD}\n`, encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'browser-logins-'));
  passwd('anna');
  passwd('rita', '--read');
  stack = await Stack.start({ http: { users_file: join(folder, 'users') } });
  browser = await launchBrowser();
  new FakeAgent(stack, 'kitchen').online().readings({ 'system:cpu_temp': 42 }).heartbeat();
});

afterEach(async () => {
  await context?.close();
});

after(async () => {
  await browser?.close();
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function onPage(name, hash, run, options) {
  test(name, { timeout: 120_000 }, async () => {
    try {
      const opened = await openPage(browser, stack.url + hash, options);
      context = opened.context;
      await run(opened.page);
      assert.deepEqual(
        (await opened.wrong()).filter((one) => !/status of 4(01|29)/.test(one)),
        [],
      );
    } catch (error) {
      stack.printLogs();
      throw error;
    }
  });
}

async function signIn(page, name, password = PASSWORD) {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
}

onPage('who_is_not_signed_in_is_led_there_and_back', '#/readings?node=kitchen', async (page) => {
  await page.getByRole('heading', { name: 'Sign in to see the cluster' }).waitFor();
  assert.equal(await page.locator('tr[data-node]').count(), 0);
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.waitForFunction(() => document.activeElement?.id === 'name');
  await signIn(page, 'anna', 'a wrong password');
  await page.getByRole('alert').getByText('No such name with this password.').waitFor();
  await assertAccessible(page, 'the page for signing in');
  await page.setViewportSize(DESKTOP);
  await signIn(page, 'anna');
  await live(page);
  await page.locator('tr[data-node="kitchen"]').first().waitFor();
  assert.match(page.url(), /\/#\/readings\?node=kitchen$/);
  assert.equal(await page.evaluate(() => document.cookie), '', 'no script gets hold of the session');
  await page.getByRole('button', { name: 'Sign out anna' }).click();
  await page.getByLabel('Name').waitFor();
  await page.goto(stack.url);
  await page.getByRole('heading', { name: 'Sign in to see the cluster' }).waitFor();
});

onPage(
  'reader_on_a_phone_sees_all_and_changes_nothing',
  'login.html#/node?node=kitchen',
  async (page) => {
    await signIn(page, 'rita');
    await live(page);
    await page.getByRole('link', { name: 'Readings' }).first().waitFor();
    await page.waitForFunction(() => !document.body.textContent.includes('Forget…'));
    await page.getByRole('button', { name: 'Help and settings' }).click();
    await page.getByText('rita, who may change nothing').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Name').waitFor();
  },
  { viewport: PHONE },
);

test('reader_without_a_name_may_sign_in_to_change_something', { timeout: 120_000 }, async () => {
  const open = await Stack.start({ http: { users_file: join(folder, 'users'), allow_anonymous: true } });
  try {
    new FakeAgent(open, 'kitchen').online().readings({ 'system:cpu_temp': 42 }).heartbeat();
    const opened = await openPage(browser, `${open.url}#/node?node=kitchen`);
    context = opened.context;
    const { page } = opened;
    await live(page);
    await page.getByRole('heading', { level: 1, name: 'kitchen' }).waitFor();
    await page.waitForFunction(() => !document.body.textContent.includes('Forget…'));
    await page.getByRole('button', { name: 'Help and settings' }).click();
    await page.getByRole('link', { name: 'Sign in' }).click();
    await signIn(page, 'anna');
    await page.getByRole('button', { name: 'Forget…' }).waitFor();
    assert.deepEqual(await opened.wrong(), []);
  } finally {
    await open.stop();
  }
});

onPage('page_notices_that_its_session_is_over', 'login.html#/overview', async (page) => {
  await signIn(page, 'rita');
  await live(page);
  passwd('rita', '--remove');
  await page.getByRole('heading', { name: 'Sign in to see the cluster' }).waitFor({ timeout: 20_000 });
});
