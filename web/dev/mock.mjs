// A stand-in for llamad to develop the page against: serves dist/, answers the cluster API and plays the live
// feed from recorded fixtures.
//   node dev/mock.mjs [--port 8091] [--extra-nodes 0] [--pace 1000] [--fixtures DIR] [--still]
// Tests tell it what to do by POST /mock/<what>:
//   value?node=&source=&value=        state?node=&to=&cause=&reason=        forget?node=
//   broker?down=0|1
//   observe?node=&text=&count=1&type=general    so many observations, made just now
//   down?ms=      cuts all sockets and refuses everything for so long
//   nosocket?ms=  cuts and refuses sockets only
//   silent        leaves the sockets open and says nothing more
//   gap           a delta of another instance
//   restart       a new instance
//   upgrade       the same with other scripts
//   refuse?status=  cuts the sockets and answers so to every question; 0: no longer
//   clear         forgets all nodes
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster } from './cluster.mjs';
import { accept } from './websocket.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
};

/** Starts the mock on a port (0: any free one); resolves to `{ url, close() }`. */
export function startMock({
  port = 0,
  extra = 0,
  pace = 1000,
  still = false,
  fixtures,
  dist = join(here, '..', 'dist'),
} = {}) {
  const folder = fixtures ?? join(here, '..', '..', 'tests', 'fixtures', 'smollama');
  const mock = {
    cluster: new Cluster(folder, { extra }),
    sessions: new Set(),
    downUntil: 0,
    noSocketUntil: 0,
    silent: false,
    refused: 0,
    version: 1,
  };
  const server = createServer((request, response) =>
    answer(mock, dist, () => new Cluster(folder, { extra }), request, response),
  );
  server.on('connection', (socket) => {
    if (Date.now() < mock.downUntil) socket.destroy();
  });
  server.on('upgrade', (request, socket) => {
    if (Date.now() < mock.noSocketUntil || mock.refused !== 0) return socket.destroy();
    const session = accept(request, socket);
    if (session === null) return undefined;
    mock.sessions.add(session);
    session.onclose = () => mock.sessions.delete(session);
    mock.silent = false;
    session.send(mock.cluster.text(mock.cluster.snapshot()));
    return undefined;
  });
  const timer = still
    ? null
    : setInterval(() => broadcast(mock, mock.cluster.step(Math.max(5, extra / 5))), pace);
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(port, '127.0.0.1', () => {
      resolve({
        url: `http://127.0.0.1:${server.address().port}/`,
        cluster: mock.cluster,
        close: () => {
          clearInterval(timer);
          for (const session of mock.sessions) session.destroy();
          server.closeAllConnections();
          return new Promise((done) => server.close(done));
        },
      });
    });
  });
}

function broadcast(mock, frame) {
  if (mock.silent) return;
  const text = mock.cluster.text(frame);
  for (const session of mock.sessions) session.send(text);
}

function answer(mock, dist, renew, request, response) {
  const url = new URL(request.url, 'http://mock');
  const send = (status, type, body) => {
    response.writeHead(status, { ...HEADERS, 'Content-Type': type });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
  const sendJson = (status, value) => send(status, 'application/json', mock.cluster.text(value));
  const name = url.pathname === '/' ? 'index.html' : url.pathname.slice(1);
  if (readdirSync(dist).includes(name)) {
    response.setHeader('ETag', `"${mock.version}"`);
    return send(200, TYPES[extname(name)], readFileSync(join(dist, name)));
  }
  if (request.method === 'POST' && url.pathname.startsWith('/mock/')) {
    control(mock, renew, url.pathname.slice(6), url.searchParams);
    return sendJson(200, {});
  }
  if (mock.refused !== 0)
    return sendJson(mock.refused, { error: { code: 'refused', message: 'not with this name' } });
  if (request.method === 'POST' && /^\/api\/cluster\/nodes\/[^/]+\/refresh$/.test(url.pathname))
    return sendJson(202, {});
  const single = /^\/api\/cluster\/nodes\/([^/]+)$/.exec(url.pathname);
  if (single !== null) {
    const node = decodeURIComponent(single[1]);
    const detail = mock.cluster.detail(node);
    if (detail === null) return sendJson(404, { error: { code: 'unknown_node', message: 'no such node' } });
    if (request.method !== 'DELETE') return sendJson(200, detail);
    if (detail.evidence.manual) return sendJson(409, { error: { code: 'manual_node', message: 'configured' } });
    broadcast(mock, mock.cluster.forget(node));
    return send(204, 'application/json', '');
  }
  const body = api(mock.cluster, url);
  if (body === null) return sendJson(404, { error: { code: 'not_found', message: 'no such address' } });
  return sendJson(200, { timestamp: new Date().toISOString(), ...body });
}

function api(cluster, url) {
  const node = url.searchParams.get('node');
  const limit = Number(url.searchParams.get('limit') ?? 50);
  const nodes = [...cluster.nodes.values()];
  switch (url.pathname) {
    case '/api/health':
      return { status: 'ok', broker_down_since: cluster.brokerDownSince, nodes: cluster.stats().nodes };
    case '/api/session':
      return { logins: false, kind: 'anybody', name: null, scope: 'admin' };
    case '/api/cluster/nodes':
      return { count: nodes.length, nodes };
    case '/api/cluster/readings':
      return { count: 0, nodes: {}, readings: cluster.allReadings() };
    case '/api/cluster/observations':
      return { observations: cluster.newest('observations', node, limit, url.searchParams) };
    case '/api/cluster/memories':
      return { memories: cluster.newest('memories', node, limit, url.searchParams) };
    case '/api/cluster/stats':
      return cluster.stats();
    case '/api/cluster/history':
      if (node) return cluster.history(`${node}/${url.searchParams.get('source')}`);
      return { minutes: 60, series: url.searchParams.getAll('series').map((name) => cluster.history(name)) };
    case '/api/cluster/events':
      return { events: cluster.events.filter((one) => !node || one.node === node).slice(0, limit) };
    default:
      return null;
  }
}

function control(mock, renew, what, params) {
  const get = (key) => params.get(key);
  if (what === 'value')
    broadcast(mock, mock.cluster.set(get('node'), get('source'), JSON.parse(get('value'))));
  if (what === 'state')
    broadcast(mock, mock.cluster.state(get('node'), get('to'), get('cause'), get('reason')));
  if (what === 'forget') broadcast(mock, mock.cluster.forget(get('node')));
  if (what === 'observe')
    broadcast(mock, mock.cluster.observe(get('node'), get('text'), Number(get('count') ?? 1), get('type') ?? 'general'));
  if (what === 'broker') broadcast(mock, mock.cluster.broker(get('down') === '1'));
  if (what === 'clock') broadcast(mock, mock.cluster.clock(get('wrong') === '1'));
  if (what === 'gap') broadcast(mock, { ...mock.cluster.step(), instance: 'another' });
  if (what === 'refuse') mock.refused = Number(get('status'));
  if (what === 'clear') for (const name of [...mock.cluster.nodes.keys()]) broadcast(mock, mock.cluster.forget(name));
  if (what === 'silent') mock.silent = true;
  if (what === 'upgrade') mock.version++;
  if (['restart', 'upgrade'].includes(what)) mock.cluster = renew();
  const until = Date.now() + Number(get('ms') ?? 0);
  if (what === 'down') mock.downUntil = until;
  if (what === 'nosocket') mock.noSocketUntil = until;
  if (['restart', 'upgrade', 'down', 'nosocket'].includes(what) || mock.refused !== 0)
    for (const session of mock.sessions) session.close(1001);
}

function option(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock({
    port: Number(option('port', 8091)),
    extra: Number(option('extra-nodes', 0)),
    pace: Number(option('pace', 1000)),
    still: process.argv.includes('--still'),
    fixtures: option('fixtures', undefined),
  });
  console.log(`The mock is at ${mock.url}`);
}
