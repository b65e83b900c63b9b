import { useSyncExternalStore } from 'react';

/** Whether what is on the screen is current: the page says so when it is not. */

export interface Connection {
  /** *behind*: the server answers, but more happened than the page has read by now. */
  readonly status: 'connecting' | 'live' | 'behind' | 'lost';
  /** When the server answered last, epoch ms; 0: not yet. */
  readonly answeredMs: number;
}

let present: Connection = { status: 'connecting', answeredMs: 0 };
/** The stream that says what changed; `undefined`: it was never there. */
let isOpen: boolean | undefined;
let isBehind = false;
const listeners = new Set<() => void>();

function change(next: Connection): void {
  const told = next.status !== present.status;
  present = told ? next : Object.assign(present, next);
  if (told) for (const listener of listeners) listener();
}

const standing = (): Connection['status'] =>
  isOpen === undefined ? 'connecting' : isOpen && !isBehind ? 'live' : 'behind';

export function noteAnswer(): void {
  change({ status: standing(), answeredMs: Date.now() });
}

/** The stream was opened, or lost. */
export function noteStream(open: boolean): void {
  isOpen = open;
  if (open) noteAnswer();
}

/** Everything is being read anew. */
export function noteBehind(behind: boolean): void {
  isBehind = behind;
  if (present.status !== 'lost') change({ status: standing(), answeredMs: present.answeredMs });
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
