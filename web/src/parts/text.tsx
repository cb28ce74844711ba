// Texts of nodes, shown so that nothing in them can hide, reorder or pretend.
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { asText, pieces } from '../format';

interface TextProps {
  value: unknown;
  /** Keeps line breaks. */
  lines?: boolean;
}

/** Also to be called as it is where there are many: a component each would cost more than what it renders. */
export function Text({ value, lines = false }: TextProps): JSX.Element {
  const parts = pieces(asText(value), lines);
  return (
    <bdi class={lines ? 'text text-lines' : 'text'}>
      {parts.map((part) =>
        part.mark ? (
          <span class="ctl" title={part.mark}>
            {part.text}
          </span>
        ) : (
          part.text
        ),
      )}
    </bdi>
  );
}

const FOLD_CHARS = 420;
const FOLD_LINES = 8;

/** A long text, folded until asked for. */
export function LongText({ value }: { value: unknown }): JSX.Element {
  const [open, setOpen] = useState(false);
  const text = asText(value);
  if (text.trim() === '') return <p class="muted empty-text">(empty text)</p>;
  const short = fold(text);
  if (short === text)
    return (
      <p class="prose">
        <Text value={text} lines />
      </p>
    );
  return (
    <p class="prose">
      <Text value={open ? text : `${short}…`} lines />{' '}
      <button type="button" class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? 'Show less' : 'Show all'}
      </button>
    </p>
  );
}

/** Never cuts a character made of two code units in half. */
function fold(text: string): string {
  let end = Math.min(text.length, FOLD_CHARS);
  let lines = 0;
  for (let i = 0; i < end; i++) if (text[i] === '\n' && ++lines === FOLD_LINES) end = i;
  if (end > text.length * 0.8) return text;
  const last = text.charCodeAt(end - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? end - 1 : end);
}
