import { useEffect, useSyncExternalStore } from 'react';

/** A passing word about what was done. */

const SHOWN_MS = 4_000;
let present = '';
const listeners = new Set<() => void>();

export function toast(text: string): void {
  present = text;
  for (const listener of listeners) listener();
}

export function Toast() {
  const text = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => present,
  );
  useEffect(() => {
    if (text === '') return undefined;
    const timer = setTimeout(() => toast(''), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div role="status" aria-live="polite">
      {text === '' ? null : <div className="toast">{text}</div>}
    </div>
  );
}
