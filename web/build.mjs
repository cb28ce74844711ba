// Bundles the dashboard into dist/ (or, with --test, the unit tests, and runs them).
// Everything the page needs ends up in dist/: the nodes it is used beside are often offline.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';

const here = dirname(fileURLToPath(import.meta.url));

const common = {
  absWorkingDir: here,
  bundle: true,
  target: ['es2021', 'chrome100', 'firefox100', 'safari15'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  logLevel: 'warning',
};

/** A page that somebody waits for: what it loads at once and later, all together. */
const BUDGET = 60_000;

const gzipped = (path) => gzipSync(readFileSync(path), { level: 9 }).length;

async function buildPage() {
  const out = join(here, 'dist');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  await build({
    ...common,
    entryPoints: { app: 'src/main.tsx', login: 'src/login.ts', style: 'src/styles/index.css' },
    outdir: out,
    format: 'esm',
    minify: true,
    legalComments: 'none',
  });
  // Scripts of the old kind: a page waits for its own, so that it never shows itself in the wrong colours.
  const heads = { head: 'src/head.ts', theme: 'src/theme.ts' };
  await build({ ...common, entryPoints: heads, outdir: out, format: 'iife', minify: true });
  for (const name of readdirSync(out).filter((one) => one.endsWith('.js'))) await squeeze(join(out, name));
  for (const name of ['index.html', 'login.html', 'icon.svg']) copyFileSync(join(here, 'src', name), join(out, name));
  badgeIcons(out);
  let sum = 0;
  for (const name of readdirSync(out).sort()) {
    const path = join(out, name);
    if (/\.(js|css)$/.test(name)) sum += gzipped(path);
    if (/^icon-/.test(name)) continue;
    console.log(
      `${name.padEnd(14)} ${String(statSync(path).size).padStart(7)} B  ${String(gzipped(path)).padStart(6)} B gzipped`,
    );
  }
  console.log(`scripts and styles ${sum} B gzipped, of ${BUDGET}`);
  if (sum > BUDGET) throw new Error(`the page has outgrown its ${BUDGET} B`);
}

/** The tab's icon with the number of broken nodes; a bare badge from ten on. */
function badgeIcons(out) {
  const icon = readFileSync(join(here, 'src', 'icon.svg'), 'utf8');
  for (const number of [1, 2, 3, 4, 5, 6, 7, 8, 9, 'many']) {
    const text =
      number === 'many'
        ? '<path stroke="#fff" stroke-width="3" stroke-linecap="round" d="M22 16v6M22 27v.1"/>'
        : `<text x="22" y="28" text-anchor="middle" font-family="sans-serif" font-size="17" font-weight="bold" fill="#fff">${number}</text>`;
    const badge = `<circle cx="22" cy="22" r="10" fill="#c62828" stroke="#fff"/>${text}</svg>`;
    writeFileSync(join(out, `icon-${number}.svg`), icon.replace('</svg>', badge));
  }
}

/** esbuild bundles; terser finds some more to leave out. */
async function squeeze(path) {
  const { code } = await minify(readFileSync(path, 'utf8'), {
    module: true,
    ecma: 2020,
    // Getters are not pure: reading a signal subscribes to it.
    compress: { passes: 3, unsafe_arrows: true },
  });
  writeFileSync(path, code);
}

async function runTests() {
  const out = join(here, 'node_modules', '.cache', 'unit-tests');
  rmSync(out, { recursive: true, force: true });
  const tests = readdirSync(join(here, 'test')).filter((name) => name.endsWith('.test.ts'));
  if (tests.length === 0) throw new Error('no unit tests found in test/');
  await build({
    ...common,
    entryPoints: tests.map((name) => `test/${name}`),
    outdir: out,
    outExtension: { '.js': '.mjs' },
    platform: 'node',
    target: 'node18',
    format: 'esm',
    sourcemap: 'inline',
  });
  const files = tests.map((name) => join(out, name.replace(/\.ts$/, '.mjs')));
  const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], { stdio: 'inherit' });
  process.exitCode = run.status ?? 1;
}

await (process.argv.includes('--test') ? runTests() : buildPage());
