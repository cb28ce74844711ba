// Real programs for the browser tests: mosquitto, llamad, alpaca-agent, each on free loopback ports with a
// folder of its own. BUILD_DIR says where the binaries are (relative to the repository's root; default
// build/dev).
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const BUILD = resolve(ROOT, process.env.BUILD_DIR ?? 'build/dev');
const LLAMAD = join(BUILD, 'llama', 'llamad');
const AGENT = join(BUILD, 'alpaca-agent', 'alpaca-agent');
const WEB = join(ROOT, 'web', 'dist');
const RETAIN_S = 7 * 24 * 3600;
const STOP_MS = 10_000;

export function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** Waits until `check` resolves to something true; what it threw last is in the message. */
export async function until(check, what, ms = 10_000) {
  const end = Date.now() + ms;
  let last;
  for (;;) {
    try {
      const value = await check();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}${last ? ` (${last.message})` : ''}`);
    await new Promise((done) => setTimeout(done, 40));
  }
}

function listening(port) {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.on('error', () => done(false));
  });
}

/** One program, its log in a file. */
class Program {
  constructor(name, folder, command, args, env = {}) {
    Object.assign(this, {
      name,
      command,
      args,
      env: { ...process.env, ...env },
      log: join(folder, `${name}.log`),
    });
    this.child = null;
    this.ended = null;
    this.stopping = false;
  }

  start() {
    const out = openSync(this.log, 'a');
    this.stopping = false;
    const child = spawn(this.command, this.args, { stdio: ['ignore', out, out], env: this.env });
    closeSync(out);
    this.child = child;
    this.ended = new Promise((done) => {
      child.on('exit', (code, signal) => done(signal ?? code));
      child.on('error', (error) => done(error.message));
    });
    return this;
  }

  get alive() {
    return (
      this.child !== null &&
      this.child.pid !== undefined &&
      this.child.exitCode === null &&
      this.child.signalCode === null
    );
  }

  async ready(check) {
    await until(async () => {
      if (!this.alive) throw new Error(`${this.name} has ended`);
      return check();
    }, `${this.name} is ready`);
  }

  async kill() {
    this.stopping = true;
    this.child.kill('SIGKILL');
    await this.ended;
  }

  /** Ends it in order; resolves to what was wrong with its end. */
  async stop() {
    if (this.child === null || this.stopping) return [];
    this.stopping = true;
    if (!this.alive) return [`${this.name} had ended on its own: ${await this.ended}`];
    this.child.kill('SIGTERM');
    let timer;
    const late = new Promise((done) => {
      timer = setTimeout(done, STOP_MS, 'late');
    });
    const how = await Promise.race([this.ended, late]);
    clearTimeout(timer);
    if (how === 'late') {
      this.child.kill('SIGKILL');
      return [`${this.name} did not end on SIGTERM`];
    }
    return how === 0 ? [] : [`${this.name} ended with ${how}`];
  }

  text() {
    return existsSync(this.log) ? readFileSync(this.log, 'utf8') : '';
  }
}

/** A broker and a llamad for one test file. `use(t)` prints their logs when a test fails. */
export class Stack {
  static async start(config = {}) {
    for (const path of [LLAMAD, join(WEB, 'index.html')]) {
      if (!existsSync(path)) throw new Error(`${path} is missing: run scripts/build first`);
    }
    const stack = new Stack();
    stack.folder = mkdtempSync(join(tmpdir(), 'browser-tests-'));
    stack.programs = [];
    try {
      await stack.startBroker();
      await stack.startLlamad(config);
    } catch (error) {
      stack.printLogs();
      await stack.stop();
      throw error;
    }
    return stack;
  }

  get url() {
    return `http://127.0.0.1:${this.httpPort}/`;
  }

  async startBroker() {
    this.mqttPort = await freePort();
    const path = join(this.folder, 'mosquitto.conf');
    const lines = [
      `listener ${this.mqttPort} 127.0.0.1`,
      'allow_anonymous true',
      'persistence false',
      'set_tcp_nodelay true',
      'max_packet_size 1048576',
      'max_queued_messages 100000',
    ];
    if (process.getuid() === 0) lines.push('user root');
    writeFileSync(path, `${lines.join('\n')}\n`);
    this.broker = this.add(new Program('mosquitto', this.folder, '/usr/sbin/mosquitto', ['-c', path]));
    this.broker.start();
    await this.broker.ready(() => listening(this.mqttPort));
  }

  async startLlamad(config) {
    this.httpPort = await freePort();
    const path = join(this.folder, 'llamad.yaml');
    const state = join(this.folder, 'state');
    mkdirSync(state, { recursive: true });
    const sections = {
      mqtt: { broker: '127.0.0.1', port: this.mqttPort },
      cluster: {
        aggregation_interval: 2,
        request_timeout: 2,
        discovery_method: 'manual',
        poll_allow: ['127.0.0.0/8'],
        state_dir: state,
      },
      ...config,
      http: { listen: '127.0.0.1', port: this.httpPort, ...config.http },
    };
    // JSON in flow style is YAML as well.
    writeFileSync(
      path,
      Object.entries(sections)
        .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
        .join(''),
    );
    this.llamad = this.add(new Program('llamad', this.folder, LLAMAD, ['-c', path], { LLAMAD_WEB_DIR: WEB }));
    await this.restartLlamad();
  }

  async restartLlamad() {
    this.llamad.start();
    await this.llamad.ready(async () => (await fetch(`${this.url}api/health`)).status === 200);
    // Without login llamad says no more than that.
    await until(
      async () => (await (await fetch(`${this.url}api/health`)).json()).status === 'ok',
      'llamad has its broker',
    );
  }

  /** A real agent reading this machine's own values. */
  async startAgent(node) {
    const path = join(this.folder, `${node}.yaml`);
    const sections = {
      node: { name: node },
      mqtt: { broker: '127.0.0.1', port: this.mqttPort },
      alpaca: { source: 'system', heartbeat_interval: 1, readings_interval: 1, stats_interval: 1 },
    };
    writeFileSync(
      path,
      Object.entries(sections)
        .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
        .join(''),
    );
    return this.add(new Program(`agent-${node}`, this.folder, AGENT, ['-c', path])).start();
  }

  add(program) {
    this.programs.push(program);
    return program;
  }

  /** Publishes one message, as a retained report or as a live one. */
  publish(topic, payload, { retain = true } = {}) {
    const args = ['-h', '127.0.0.1', '-p', String(this.mqttPort), '-V', '5', '-q', '1', '-t', topic, '-s'];
    if (retain) {
      args.push('-r', '-D', 'publish', 'message-expiry-interval', String(RETAIN_S));
      args.push('-D', 'publish', 'user-property', 'expiry', String(RETAIN_S));
    }
    const run = spawnSync('mosquitto_pub', args, { input: payload, encoding: 'utf8', timeout: 10_000 });
    if (run.status !== 0) throw new Error(`mosquitto_pub: ${run.error?.message ?? run.stderr}`);
  }

  printLogs() {
    for (const program of this.programs) {
      console.error(`---- ${program.name}\n${program.text().split('\n').slice(-80).join('\n')}`);
    }
  }

  /** Ends everything; throws if a program ended badly or a sanitizer spoke. */
  async stop() {
    const problems = [];
    for (const program of [...this.programs].reverse()) problems.push(...(await program.stop()));
    for (const program of this.programs) {
      if (/(Address|Leak|Undefined\w*|Thread)Sanitizer|runtime error:/.test(program.text())) {
        problems.push(`a sanitizer spoke in ${program.name}'s log`);
      }
    }
    if (problems.length > 0) this.printLogs();
    rmSync(this.folder, { recursive: true, force: true });
    if (problems.length > 0) throw new Error(problems.join('; '));
  }
}
