// The last hour of a reading as a line: what moved, and when. Only a picture: the value beside it is the text.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { sparkPath } from '../series';
import type { Series } from '../series';
import { confirmedAt } from '../select';
import { model, seriesRevision, seriesStore, serverNow } from '../store';
import { parseTime } from '../format';
import { flying } from './window';

const WIDTH = 96;
const HEIGHT = 20;

interface SparkProps {
  node: string;
  fullId: string;
}

/** In a row that flies by it is not begun. */
export function Spark(props: SparkProps): JSX.Element | null {
  const begun = useRef(false);
  begun.current ||= !flying.value;
  return begun.current ? <Line {...props} /> : null;
}

function Line({ node, fullId }: SparkProps): JSX.Element | null {
  const [series, setSeries] = useState<Series | null>(null);
  useEffect(() => {
    setSeries(seriesStore.show(node, fullId));
    return () => seriesStore.hide(node, fullId);
  }, [node, fullId]);
  // Looked at whenever its row is rendered, and when an answer came.
  void seriesRevision.value;
  const confirmed = parseTime(confirmedAt(model.peek().nodes.get(node))) ?? 0;
  const path = series === null ? '' : sparkPath(series.steps, WIDTH, HEIGHT, serverNow.peek(), confirmed);
  if (path === '') return null;
  return (
    <svg class="spark" viewBox={`0 -2 ${WIDTH} ${HEIGHT + 4}`} aria-hidden="true" preserveAspectRatio="none">
      <path d={path} vector-effect="non-scaling-stroke" />
    </svg>
  );
}
