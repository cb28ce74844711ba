// The feed's ports on a real browser.
import { openLive, takeEarly } from './early';
import { HttpError } from './feed';
import type { Ports, Socket } from './feed';
import { parseJson } from './json';

/** Relative to the page, so that it also works below a path of somebody's proxy. */
function api(path: string): URL {
  return new URL(`api/cluster/${path}`, document.baseURI);
}

function openSocket(): Socket {
  const { ws, said } = takeEarly() ?? { ws: openLive(), said: [] };
  const socket: Socket = { onopen: null, onmessage: null, onclose: null, close: () => ws.close() };
  // What was said before comes first, each message in a task of its own as if it came now.
  const turn = new MessageChannel();
  const next = (): void => {
    if (said.length === 0) return turn.port1.close();
    socket.onmessage?.(String(said.shift()));
    turn.port2.postMessage(null);
  };
  turn.port1.onmessage = next;
  turn.port2.postMessage(null);
  ws.onopen = () => socket.onopen?.();
  ws.onmessage = (event) => {
    if (said.length > 0) said.push(event.data);
    else socket.onmessage?.(String(event.data));
  };
  ws.onclose = (event) => socket.onclose?.(event.code);
  return socket;
}

async function get(path: string, signal: AbortSignal): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(api(path), { signal, cache: 'no-store', headers: { Accept: 'application/json' } });
  } catch {
    throw new HttpError(0, signal.aborted ? 'no answer in time' : 'no answer');
  }
  if (!response.ok) {
    const { status, headers } = response;
    throw new HttpError(status, `HTTP ${status}`, Number(headers.get('Retry-After')) || 0);
  }
  try {
    return parseJson(await response.text());
  } catch {
    throw new HttpError(response.status, 'unreadable answer');
  }
}

export function browserPorts(): Ports {
  return {
    openSocket,
    get,
    parse: parseJson,
    now: () => Date.now(),
    random: () => Math.random(),
    after: (ms, run) => setTimeout(run, ms),
    cancel: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
  };
}

/** Asks a node's agent to send everything again. Resolves to true if llamad took the wish. */
export async function refreshNode(name: string): Promise<boolean> {
  try {
    return (await fetch(api(`nodes/${encodeURIComponent(name)}/refresh`), { method: 'POST' })).ok;
  } catch {
    return false;
  }
}

/** Drops all that llamad holds of a node. Resolves to the answer's status, 0 if none came. */
export async function forgetNode(name: string): Promise<number> {
  const own = encodeURIComponent(name);
  try {
    return (await fetch(api(`nodes/${own}?confirm=${own}`), { method: 'DELETE' })).status;
  } catch {
    return 0;
  }
}
