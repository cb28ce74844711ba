// The page where people sign in. It leads back to the view that they came from, which stands behind `#`.
import { askSession, loginHeader, problemOf } from './session';

function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const form = element<HTMLFormElement>('login');
const name = element<HTMLInputElement>('name');
const password = element<HTMLInputElement>('password');
const problem = element<HTMLParagraphElement>('problem');
const button = form.querySelector('button')!;

function leave(): void {
  location.replace(`./${location.hash}`);
}

async function signIn(): Promise<void> {
  problem.textContent = '';
  let answer: Response | null = null;
  try {
    const headers = { Authorization: loginHeader(name.value, password.value) };
    answer = await fetch('api/session', { method: 'POST', headers, cache: 'no-store' });
  } catch {
    // Said below.
  }
  if (answer?.ok) return leave();
  problem.textContent = problemOf(answer?.status ?? 0, Number(answer?.headers.get('Retry-After')) || 0);
  if (answer?.status === 401) password.select();
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  button.disabled = true;
  void signIn().finally(() => (button.disabled = false));
});

// Whoever is signed in, or need not be, has nothing to do here.
void askSession().then((session) => {
  if (session !== null && (!session.logins || session.kind !== 'anybody')) leave();
});
