// Why a node is how it is: the cause in words and llamad's sentence.
import type { JSX } from 'preact';
import { cause, localTimes } from '../format';
import { serverNow, today } from '../store';
import { Text } from './text';

export function Reason({
  code,
  sentence,
}: {
  code: string | null;
  sentence: string | null;
}): JSX.Element | null {
  if (!code && !sentence) return null;
  // Drawn again when the day is another one.
  void today.value;
  return (
    <p class="reason">
      {code && <strong>{cause(code)}</strong>}
      {code && sentence && ': '}
      {sentence && <Text value={localTimes(sentence, serverNow.peek())} />}
    </p>
  );
}
