// Who the reader is to llamad, and the words around signing in. Pure, but for the two that ask.

export interface Session {
  /** Does it matter who asks? */
  logins: boolean;
  kind: 'anybody' | 'token' | 'user';
  name: string | null;
  scope: 'admin' | 'none' | 'read';
}

/** RFC 7617, with the bytes of UTF-8. */
export function loginHeader(name: string, password: string): string {
  const bytes = new TextEncoder().encode(`${name}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

/** Why a sign-in did not work; status 0 is no answer at all. */
export function problemOf(status: number, retryAfterS: number): string {
  if (status === 401) return 'No such name with this password.';
  if (status === 429) {
    return `Too many wrong tries. ${retryAfterS > 0 ? `The next one counts in ${retryAfterS} s.` : 'Wait a little.'}`;
  }
  if (status === 404) return 'Nobody has to sign in here.';
  if (status === 0) return 'llamad does not answer.';
  return status === 503 ? 'llamad has too much to do. Try again.' : `llamad says ${status}.`;
}

export function isSession(answer: unknown): answer is Session {
  return typeof answer === 'object' && answer !== null && 'scope' in answer && 'kind' in answer;
}

function address(): URL {
  return new URL('api/session', document.baseURI);
}

/** Null when llamad does not tell. */
export async function askSession(): Promise<Session | null> {
  try {
    const response = await fetch(address(), { cache: 'no-store' });
    const answer: unknown = response.ok ? await response.json() : null;
    return isSession(answer) ? answer : null;
  } catch {
    return null;
  }
}

/** True once the session is over. */
export async function endSession(): Promise<boolean> {
  try {
    return (await fetch(address(), { method: 'DELETE' })).ok;
  } catch {
    return false;
  }
}
