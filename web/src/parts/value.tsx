// One reading's value with its unit.
import type { ComponentChildren, JSX } from 'preact';
import { digitGroups, plain } from '../format';
import type { Shown } from '../format';
import { Text } from './text';

const LONG = 90;

export function Value({ shown }: { shown: Shown }): JSX.Element {
  switch (shown.kind) {
    case 'none':
      return <span class="value muted">no value</span>;
    case 'switch':
      return (
        <span class={`value switch ${shown.on ? 'on' : 'off'}`} title={`value ${shown.exact}`}>
          {shown.text}
          {unit(shown.unit, ' ')}
        </span>
      );
    case 'number':
      return (
        <span class="value num" title={shown.exact}>
          {digits(shown.text)}
          {unit(shown.unit, '\u202f')}
        </span>
      );
    case 'text':
    case 'json':
      return <LongValue shown={shown} />;
  }
}

function unit(text: string, space: string): ComponentChildren {
  return text === '' ? null : [space, <span class="unit">{Text({ value: text })}</span>];
}

/** Thousands stand apart by a margin, not by a character: what is copied or searched is the number. */
function digits(text: string): ComponentChildren {
  const [first, ...rest] = digitGroups(text.replace(/^-/, '\u2212'));
  return rest.length === 0 ? first : [first, ...rest.map((group) => <span class="group">{group}</span>)];
}

function LongValue({ shown }: { shown: Shown }): JSX.Element {
  if (shown.text === '') return <span class="value muted">(empty text)</span>;
  const cut = shown.text.length > LONG;
  const text = cut ? `${[...shown.text.slice(0, LONG)].slice(0, -1).join('')}…` : shown.text;
  const body = <Text value={text} />;
  return (
    <span class={`value ${shown.kind}`} title={plain(shown.text.slice(0, 4000))}>
      {shown.kind === 'json' ? <code>{body}</code> : body}
      {unit(shown.unit, ' ')}
    </span>
  );
}
