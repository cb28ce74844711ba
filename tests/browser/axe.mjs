// Runs axe on a page as it stands, in both themes and at both widths.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { DESKTOP, PHONE, sideways } from './browser.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function violations(page) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
  return page.evaluate(async () => {
    const found = await window.axe.run(document, { resultTypes: ['violations'] });
    return found.violations.flatMap((one) =>
      one.nodes.map((node) => `${one.id}: ${node.target.join(' ')} – ${node.failureSummary}`),
    );
  });
}

/** Throws with what axe found, or if the page can be scrolled sideways. `what` names the page's state. */
export async function assertAccessible(page, what) {
  for (const viewport of [DESKTOP, PHONE]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.waitForFunction((theme) => document.documentElement.dataset.theme === theme, colorScheme);
      const where = `${what}, ${viewport.width} px, ${colorScheme}`;
      assert.deepEqual(await violations(page), [], where);
    }
    for (const width of [viewport.width, ...(viewport === PHONE ? [320] : [])]) {
      await page.setViewportSize({ ...viewport, width });
      assert.equal(await sideways(page), 0, `${what}, ${width} px, scrolls sideways`);
    }
  }
}
