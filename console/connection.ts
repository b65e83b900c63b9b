import { useSyncExternalStore } from 'react';

/** Whether the server answers: what is on the screen may be old when it does not, and the page says so. */

export interface Connection {
  readonly status: 'connecting' | 'live' | 'lost';
  /** When the server answered last, epoch ms; 0: not yet. */
  readonly answeredMs: number;
}

let present: Connection = { status: 'connecting', answeredMs: 0 };
const listeners = new Set<() => void>();

function change(next: Connection): void {
  const told = next.status !== present.status;
  present = told ? next : Object.assign(present, next);
  if (told) for (const listener of listeners) listener();
}

export function noteAnswer(): void {
  change({ status: 'live', answeredMs: Date.now() });
}

export function noteSilence(): void {
  change({ status: 'lost', answeredMs: present.answeredMs });
}

export function useConnection(): Connection {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => present,
  );
}
