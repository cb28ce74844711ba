// What this browser remembers of its reader's choices. A browser that keeps nothing is fine: then nothing is
// remembered.

const PREFIX = 'smollama-cluster.';

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

/** null forgets. */
export function remember(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, value);
  } catch {
    // Private windows and full disks: the choice holds until the page is left.
  }
}

export type Places = [entry: number, place: number][];

/** Where this tab was scrolled to before it was reloaded. */
export function recallPlaces(): Places {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + 'places') ?? '[]') as Places;
  } catch {
    return [];
  }
}

export function rememberPlaces(places: Places): void {
  try {
    sessionStorage.setItem(PREFIX + 'places', JSON.stringify(places));
  } catch {
    // Then the reloaded page begins at its top.
  }
}
