// A page that is left open outlives the llamad that served it: after an update, its scripts are those of an earlier
// one.

/** The mark of the script that llamad serves now; null when it does not say. */
async function askMark(): Promise<string | null> {
  try {
    const url = new URL('app.js', document.baseURI);
    const { ok, headers } = await fetch(url, { method: 'HEAD', cache: 'no-store' });
    return ok ? headers.get('ETag') : null;
  } catch {
    return null;
  }
}

export class Scripts {
  private mark: string | null = null;
  /** True once llamad serves other ones than those that run. */
  outdated = false;

  /** False until llamad has said what it serves. */
  get known(): boolean {
    return this.mark !== null;
  }

  constructor(private readonly ask = askMark) {}

  /** To be called whenever llamad is reached anew. What is served at first is what runs. */
  async look(): Promise<void> {
    const mark = await this.ask();
    if (mark === null) return;
    this.mark ??= mark;
    // Of several llamads behind one address not all are updated at once: only the last look holds.
    this.outdated = mark !== this.mark;
  }
}
