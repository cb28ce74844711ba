// Who is signed in, and the way out.
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { plain } from '../format';
import { endSession } from '../session';
import { here, session } from '../store';
import { format } from '../route';

async function leave(): Promise<boolean> {
  const ended = await endSession();
  if (ended) location.assign(signInAddress());
  return ended;
}

/** The page for signing in, which leads back to this view. */
export function signInAddress(): string {
  return `login.html${format(here.peek())}`;
}

/** In the head of the page; nothing while nobody is signed in. */
export function LeaveButton(): JSX.Element | null {
  const { kind, name } = session.value ?? {};
  if (kind !== 'user') return null;
  const label = `Sign out ${plain(name ?? '')}`;
  return (
    <button type="button" class="leave" aria-label={label} title={label} onClick={() => void leave()}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.6">
        <path d="M6 2.5H3v11h3M7 8h6.5M10.5 4.8 13.7 8l-3.2 3.2" />
      </svg>
    </button>
  );
}

/** The same in words, among the settings; and the way in for one who may read without. */
export function You(): JSX.Element | null {
  const [failed, setFailed] = useState(false);
  const { logins, kind, name, scope } = session.value ?? {};
  if (kind === 'anybody' && logins) {
    return (
      <p>
        <a class="button" href={signInAddress()}>
          Sign in
        </a>
      </p>
    );
  }
  if (kind !== 'user') return null;
  return (
    <fieldset class="choices">
      <legend>You</legend>
      <span>
        {plain(name ?? '')}
        {scope === 'read' && ', who may change nothing'}
      </span>
      <button type="button" class="button" onClick={() => void leave().then((ended) => setFailed(!ended))}>
        Sign out
      </button>
      {failed && <span role="alert">Not signed out: llamad does not answer.</span>}
    </fieldset>
  );
}
