import { callPlatform } from './platform.ts';

/** A CloudEvents 1.0 envelope as a function writes it: the platform adds what is missing. */
export interface NewEvent {
  /** What happened, as `order.placed`. */
  readonly type: string;
  /** Where; left out: the function that emits. */
  readonly source?: string;
  /** What it happened to, as `order/42`. */
  readonly subject?: string;
  /** Left out: a new one. The same id from the same source is one event. */
  readonly id?: string;
  /** RFC 3339; left out: now. */
  readonly time?: string;
  /** Any JSON. */
  readonly data?: unknown;
}

/** Emits an event to the app's bus. Resolves with its id once it is stored. Rejects with a `CallError`. */
export async function emit(event: NewEvent): Promise<{ readonly id: string }> {
  return (await callPlatform('emit', {}, event)) as { readonly id: string };
}
