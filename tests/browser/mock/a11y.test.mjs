// axe on the states that the real programs show in rare moments only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAccessible } from '../axe.mjs';
import { address, openBlank, openMock, tell } from './support.mjs';

for (const [state, what, text] of [
  ['not signed in', 'refuse?status=401', 'Sign in to see the cluster'],
  ['not allowed', 'refuse?status=403', 'You may not see this cluster'],
  ['empty', 'clear', 'No node has been heard yet'],
]) {
  test(`axe_finds_nothing_while_${state.replaceAll(' ', '_')}`, { timeout: 120_000 }, async () => {
    const { page } = await openMock();
    await tell(what);
    await page.getByRole('heading', { name: text }).waitFor();
    await assertAccessible(page, state);
  });
}

for (const colorScheme of ['light', 'dark']) {
  test(`axe_finds_nothing_while_llamads_clock_is_wrong_in_${colorScheme}`, { timeout: 120_000 }, async () => {
    const { page } = await openMock('', { colorScheme });
    await tell('clock?wrong=1');
    const banner = page.getByRole('alert').filter({ hasText: 'Wrong clock: 7 of 8 nodes say that this clock is 42 s ahead.' });
    await banner.waitFor();
    await assertAccessible(page, 'wrong clock');
    await tell('clock?wrong=0');
    await banner.waitFor({ state: 'detached' });
  });
}

test('axe_finds_nothing_while_loading', { timeout: 120_000 }, async () => {
  const { page } = await openBlank();
  await tell('nosocket?ms=120000');
  await page.route('**/api/**', () => {});
  await page.goto(address());
  await page.getByText('Waiting for the first answer').waitFor();
  await assertAccessible(page, 'loading');
  assert.equal(await page.locator('main h2').count(), 0);
});
