// In a large cluster the first picture comes first: what is below it, or folded, is made a moment later, in a task of
// its own.
import { useEffect, useState } from 'preact/hooks';

/** So many nodes make a cluster large. */
export const LARGE = 100;
const LATER_MS = 400;

/** False at first if `wait`; true a moment later, and from then on. */
export function useLater(wait: boolean): boolean {
  const [past, setPast] = useState(false);
  useEffect(() => {
    if (past || !wait) return undefined;
    const timer = setTimeout(() => setPast(true), LATER_MS);
    return () => clearTimeout(timer);
  }, [past, wait]);
  return past || !wait;
}
