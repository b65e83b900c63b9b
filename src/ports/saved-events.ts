import type { AppName, FunctionName } from '../model/function.ts';

/** An event that people keep to test a function with, for everybody who uses the server. */
export interface SavedEvent {
  readonly name: string;
  /** JSON, as it was written. At most `SAVED_EVENT_CHARS_MAX`. */
  readonly event: string;
  /** Epoch milliseconds. */
  readonly savedMs: number;
}

export interface SavedEventStore {
  /** By name. */
  list(app: AppName, name: FunctionName): Promise<SavedEvent[]>;
  /** In the place of the one with that name. False: the function has `SAVED_EVENTS_MAX` others already. */
  put(app: AppName, name: FunctionName, saved: SavedEvent): Promise<boolean>;
  /** False: there is none. */
  remove(app: AppName, name: FunctionName, saved: string): Promise<boolean>;
  /** All of an app, which is gone. */
  removeApp(app: AppName): Promise<void>;
}

export const SAVED_EVENT_CHARS_MAX = 256 * 1024;
/** Of one function. */
export const SAVED_EVENTS_MAX = 100;
