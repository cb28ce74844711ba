// The live socket is opened while the page's own script is still being loaded and read: llamad's first words are
// there when it runs.

/** Opened by head.js, taken over by app.js. */
export interface Early {
  readonly ws: WebSocket;
  /** What came before somebody listened. */
  readonly said: unknown[];
}

declare global {
  interface Window {
    early?: Early | undefined;
  }
}

/** Relative to the page, so that it also works below a path of somebody's proxy. */
export function openLive(): WebSocket {
  const url = new URL('api/cluster/live?parts=1&pace=100', document.baseURI);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return new WebSocket(url);
}

export function openEarly(): void {
  try {
    const ws = openLive();
    const said: unknown[] = [];
    ws.onmessage = (event) => said.push(event.data);
    window.early = { ws, said };
  } catch {
    // The feed tries again, and says what is wrong.
  }
}

/** The early socket if it still lives; only once. */
export function takeEarly(): Early | null {
  const { early } = window;
  window.early = undefined;
  return early !== undefined && early.ws.readyState <= WebSocket.OPEN ? early : null;
}
