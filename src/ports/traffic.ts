import type { AppName, FunctionName } from '../model/function.ts';
import type { CallVia } from './activity.ts';

/** Calls that came to a function by one way within the last minute. */
export interface TrafficFlow {
  readonly app: AppName;
  readonly function: FunctionName;
  readonly via: CallVia;
  readonly calls: number;
  /** Those that ended otherwise than `ok`. */
  readonly errors: number;
}

export interface TrafficView {
  /** Those of which there was a call. The minute ends now and is known to 5 seconds. */
  flows(): TrafficFlow[];
}
