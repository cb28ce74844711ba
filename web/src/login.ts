// The page where people sign in. It leads back to the view that they came from, which stands behind `#`.
import { loginHeader, problemOf } from './session';

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

/** Who may read already has nothing to do here. */
async function look(): Promise<void> {
  const answer = await fetch('api/session', { cache: 'no-store' });
  if (answer.ok && ((await answer.json()) as { scope?: string }).scope !== 'none') leave();
}

void look().catch(() => undefined);
