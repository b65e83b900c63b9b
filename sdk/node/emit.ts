import { callPlatform } from './platform.ts';

/**
 * An event as a function with a trigger gets it: CloudEvents 1.0 in its JSON format. Extension attributes stand beside
 * these. With `batch` it is `{ events: CloudEvent[] }`.
 */
export interface CloudEvent<Data = unknown> {
  readonly specversion: '1.0';
  /** With `source`, what tells events apart: a delivery that is made again has the same. */
  readonly id: string;
  /** Where it happened. */
  readonly source: string;
  /** What happened, as `order.placed`. */
  readonly type: string;
  /** What it happened to, as `order/42`. */
  readonly subject?: string;
  /** RFC 3339. */
  readonly time?: string;
  readonly datacontenttype?: string;
  readonly data?: Data;
  /** In place of `data` where that is neither JSON nor text. */
  readonly data_base64?: string;
}

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
