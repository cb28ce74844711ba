// axe on the states that the real programs show in rare moments only.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startMock } from '../../../web/dev/mock.mjs';
import { assertAccessible } from '../axe.mjs';
import { launchBrowser, live, openPage } from '../browser.mjs';

let browser;
let mock;
let context;

before(async () => {
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
});

afterEach(async () => {
  await context?.close();
  await mock?.close();
});

const tell = (what) => fetch(`${mock.url}mock/${what}`, { method: 'POST' });

for (const [state, what, text] of [
  ['not signed in', 'refuse?status=401', 'Sign in to see the cluster'],
  ['not allowed', 'refuse?status=403', 'You may not see this cluster'],
  ['empty', 'clear', 'No node has been heard yet'],
]) {
  test(`axe_finds_nothing_while_${state.replaceAll(' ', '_')}`, { timeout: 120_000 }, async () => {
    mock = await startMock({ still: true });
    const { page, context: own } = await openPage(browser, mock.url);
    context = own;
    await live(page);
    await tell(what);
    await page.getByRole('heading', { name: text }).waitFor();
    await assertAccessible(page, state);
  });
}

test('axe_finds_nothing_while_loading', { timeout: 120_000 }, async () => {
  mock = await startMock({ still: true });
  await tell('nosocket?ms=120000');
  const opened = await openPage(browser, 'about:blank');
  context = opened.context;
  await opened.page.route('**/api/**', () => {});
  await opened.page.goto(mock.url);
  await opened.page.getByText('Waiting for the first answer').waitFor();
  await assertAccessible(opened.page, 'loading');
  assert.equal(await opened.page.locator('main h2').count(), 0);
});
