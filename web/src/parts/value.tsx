// One reading's value with its unit.
import type { JSX } from 'preact';
import { plain } from '../format';
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
          {shown.unit && (
            <>
              {' '}
              <span class="unit">
                <Text value={shown.unit} />
              </span>
            </>
          )}
        </span>
      );
    case 'number':
      return (
        <span class="value num" title={shown.exact}>
          {shown.text.replace(/^-/, '\u2212')}
          {shown.unit && (
            <>
              {'\u202f'}
              <span class="unit">
                <Text value={shown.unit} />
              </span>
            </>
          )}
        </span>
      );
    case 'text':
    case 'json': {
      const cut = shown.text.length > LONG;
      const text = cut ? `${[...shown.text.slice(0, LONG)].slice(0, -1).join('')}…` : shown.text;
      const body =
        shown.kind === 'json' ? (
          <code>
            <Text value={text} />
          </code>
        ) : (
          <Text value={text} />
        );
      if (shown.text === '') return <span class="value muted">(empty text)</span>;
      return (
        <span class={`value ${shown.kind}`} title={cut ? plain(shown.text.slice(0, 4000)) : undefined}>
          {body}
          {shown.unit && (
            <>
              {' '}
              <span class="unit">
                <Text value={shown.unit} />
              </span>
            </>
          )}
        </span>
      );
    }
  }
}
