// The dashboard before a thousand busy nodes, in a real browser:
//     node tests/bench/dashboard.mjs [--nodes 1000] [--readings 20] [--seconds 60] [--minutes 10] [WHAT …]
// WHAT: start, live, switch, scroll, memory (default: all). Needs web/dist, and a release build in BUILD_DIR (scripts/bench dashboard makes both).
// Exits with 1 if a goal was missed.
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { gzipSync } from 'node:zlib';
import { DESKTOP, launchBrowser, live, openPage } from '../browser/browser.mjs';
import { BUILD, ROOT, Stack, until } from '../browser/support.mjs';

const GOALS = {
  bytes: 60_000,
  firstValueMs: 500,
  taskMs: 50,
  frameMs: 50,
  switchMs: 100,
  growth: 1.1,
};
const VIEWS = ['overview', 'readings', 'compare', 'observations', 'memories', 'events'];

const options = { nodes: 1000, readings: 20, seconds: 60, minutes: 10, runs: 5 };
const wanted = [];
for (let i = 2; i < process.argv.length; i++) {
  const name = process.argv[i].replace(/^--/, '');
  if (process.argv[i] === name) wanted.push(name);
  else options[name] = Number(process.argv[++i]);
}
const wants = (what) => wanted.length === 0 || wanted.includes(what);

let missed = 0;
function goal(what, value, limit, unit) {
  const met = value <= limit;
  if (!met) missed++;
  console.log(`  ${what.padEnd(56)} ${value.toFixed(1).padStart(9)} ${unit.padEnd(4)} goal ≤ ${limit}: ${met ? 'met' : 'MISSED'}`);
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const quantile = (values, q) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];

/** Runs in the page from its first moment: notes when values appear, long tasks, and the distance of frames. */
function watch() {
  window.seen = { first: null, tasks: [], frames: [] };
  const look = () => {
    if (document.querySelector('.value') === null) return;
    observer.disconnect();
    // What the browser shows after this frame.
    requestAnimationFrame(() => setTimeout(() => (window.seen.first = performance.now()), 0));
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { childList: true, subtree: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.seen.tasks.push([entry.startTime, entry.duration]);
  }).observe({ type: 'longtask', buffered: true });
  let before = 0;
  const frame = (now) => {
    if (before > 0) window.seen.frames.push(now - before);
    before = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

const forget = (page) => page.evaluate(() => Object.assign(window.seen, { tasks: [], frames: [] }));

async function open(browser, url) {
  const opened = await openPage(browser, 'about:blank', { viewport: DESKTOP });
  await opened.page.addInitScript(watch);
  await opened.page.goto(url);
  return opened;
}

const longest = (tasks) => Math.max(0, ...tasks.map(([, ms]) => ms));

/** Both cores are busy with the cluster itself: figures are worth something on a machine that does nothing else. */
function report(name, { tasks, frames }) {
  goal(`${name}: longest script task (${tasks.length} over 50 ms)`, longest(tasks), GOALS.taskMs, 'ms');
  if (frames.length > 0) goal(`${name}: frames, p99`, quantile(frames, 0.99), GOALS.frameMs, 'ms');
}

function size() {
  const folder = join(ROOT, 'web', 'dist');
  const files = readdirSync(folder).filter((name) => /\.(js|css)$/.test(name));
  const sum = files.reduce((all, name) => all + gzipSync(readFileSync(join(folder, name)), { level: 9 }).length, 0);
  goal('scripts and styles, gzipped', sum, GOALS.bytes, 'B');
}

async function start(browser, stack) {
  const times = [];
  const tasks = [];
  for (let i = 0; i < options.runs; i++) {
    const { page, context } = await open(browser, stack.url + (i % 2 ? '#/readings' : '#/overview'));
    await page.waitForFunction(() => window.seen.first !== null);
    times.push(await page.evaluate(() => window.seen.first));
    await live(page);
    await page.waitForTimeout(1000);
    tasks.push(...(await page.evaluate(() => window.seen.tasks)));
    await context.close();
  }
  goal('navigation until the first value is on the screen, median', median(times), GOALS.firstValueMs, 'ms');
  // Most of it is the browser's own: loading, the first layout and painting.
  const over = tasks.length / options.runs;
  console.log(`  tasks over 50 ms at the start: ${over.toFixed(1)} each time, the longest ${longest(tasks)} ms`);
}

async function everyView(browser, stack) {
  const { page, context } = await open(browser, stack.url);
  await live(page);
  await page.waitForTimeout(2000);
  for (const view of VIEWS) {
    await page.evaluate((hash) => (location.hash = hash), `#/${view}`);
    await page.waitForTimeout(1000);
    await forget(page);
    await page.waitForTimeout((options.seconds * 1000) / VIEWS.length);
    report(view, await page.evaluate(() => window.seen));
  }
  await context.close();
}

async function switching(browser, stack) {
  const { page, context } = await open(browser, stack.url);
  await live(page);
  await page.waitForTimeout(2000);
  const times = [];
  for (let round = 0; round < 5; round++) {
    for (const view of VIEWS) {
      const ms = await page.evaluate(async (hash) => {
        const from = performance.now();
        const old = document.title;
        location.hash = hash;
        while (document.title === old) await new Promise(requestAnimationFrame);
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
        return performance.now() - from;
      }, `#/${view === 'overview' && round === 0 ? 'events' : view}`);
      times.push(ms);
      await page.waitForTimeout(700);
    }
  }
  goal('switching to another view, p90', quantile(times, 0.9), GOALS.switchMs, 'ms');
  await context.close();
}

/** A hundred and fifty screens down and up again, faster than anybody reads. */
async function turnWheel(page) {
  await page.mouse.move(640, 500);
  await forget(page);
  for (let i = 0; i < 400; i++) {
    await page.mouse.wheel(0, i < 200 ? 900 : -900);
    await page.waitForTimeout(16);
  }
  return page.evaluate(() => window.seen);
}

/** What the browser itself needs here to scroll as many rows, without a script. */
async function plainTable(browser) {
  const { page, context } = await open(browser, 'about:blank');
  await page.evaluate(() => {
    const row = (i) =>
      `<tr style="height:34px"><td><a href="#">fleet-${i}</a><td><a href="#">sensor:channel_${i % 20}</a><td>${(i * 1.37).toFixed(2)} °C<td>3 s`;
    document.body.innerHTML = `<table style="width:100%;table-layout:fixed">${Array.from({ length: 6000 }, (_, i) => row(i)).join('')}</table>`;
  });
  await page.waitForTimeout(1000);
  const { frames } = await turnWheel(page);
  await context.close();
  return quantile(frames, 0.99);
}

/** Turns the wheel through the whole table and looks in each frame whether rows cover the screen. */
async function scroll(browser, stack) {
  const plain = await plainTable(browser);
  const { page, context } = await open(browser, `${stack.url}#/readings`);
  await live(page);
  await page.waitForTimeout(3000);
  await page.evaluate(() => {
    window.blank = { looks: 0, bad: 0 };
    const look = () => {
      for (let y = 220; y < innerHeight; y += 60) {
        const row = document.elementFromPoint(640, y)?.closest('tr');
        window.blank.looks++;
        if (row === null || row === undefined || row.classList.contains('space')) window.blank.bad++;
      }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  const { tasks, frames } = await turnWheel(page);
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight / 2));
  await page.waitForTimeout(500);
  const { looks, bad } = await page.evaluate(() => window.blank);
  goal(`blank rows among ${looks} looked at`, bad, 0, '');
  const p99 = quantile(frames, 0.99);
  console.log(`  scrolling: frames, p99 ${p99.toFixed(1)} ms (${(p99 / plain).toFixed(1)} × a plain table, ${plain.toFixed(1)} ms); longest task ${longest(tasks)} ms`);
  await context.close();
}

async function memory(browser, stack) {
  const { page, context } = await open(browser, `${stack.url}#/readings`);
  await live(page);
  const cdp = await context.newCDPSession(page);
  const used = async () => {
    await forget(page);
    await cdp.send('HeapProfiler.collectGarbage');
    return (await cdp.send('Runtime.getHeapUsage')).usedSize / 1e6;
  };
  await page.waitForTimeout(60_000);
  const first = await used();
  const samples = [];
  for (let minute = 1; minute < options.minutes; minute++) {
    await page.waitForTimeout(60_000);
    samples.push(await used());
  }
  const last = median(samples.slice(-3));
  console.log(`  heap after a minute ${first.toFixed(1)} MB, then ${samples.map((mb) => mb.toFixed(1)).join(' ')}`);
  goal(`heap after ${options.minutes} minutes / after one`, last / first, GOALS.growth, '×');
  await context.close();
}

const stack = await Stack.start();
const browser = await launchBrowser();
const fleet = spawn(join(BUILD, 'tests', 'bench', 'bench_fleet'), [
  String(stack.mqttPort),
  String(options.nodes),
  String(options.readings),
]);
try {
  await once(createInterface({ input: fleet.stdout }), 'line');
  await until(async () => {
    const health = await (await fetch(`${stack.url}api/health`)).json();
    return health.nodes?.online === options.nodes;
  }, 'all nodes are online');
  console.log(`${options.nodes} nodes × ${options.readings} readings, each moving every 5 s`);
  size();
  if (wants('start')) await start(browser, stack);
  if (wants('live')) await everyView(browser, stack);
  if (wants('switch')) await switching(browser, stack);
  if (wants('scroll')) await scroll(browser, stack);
  if (wants('memory')) await memory(browser, stack);
} finally {
  fleet.kill();
  await browser.close();
  await stack.stop();
}
process.exitCode = missed > 0 ? 1 : 0;
