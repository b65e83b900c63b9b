import type { InvocationId } from '../base/ids.ts';
import type { AppName } from '../model/function.ts';

/**
 * What an invocation's record leaves out because few calls have it: its place in a trace, and what went in and came
 * out. Kept apart from the records, which are many and small.
 */

/** What went into a call, or came out of it: at most `PAYLOAD_BYTES_MAX` of its body. */
export interface CallPayload {
  /** `POST /orders?id=1` or `200`: the first line over HTTP; absent for events. */
  readonly head?: string;
  /** Names in lower case; absent for events. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** How `body` is written; `base64` where it is no text. */
  readonly encoding: 'utf8' | 'base64';
  /** Bytes of the whole body, as far as it came. */
  readonly bytes: number;
  /** Not all of the body is kept. */
  readonly cut: boolean;
  /** Something in it was taken out: a credential, or the value of a secret. */
  readonly redacted: boolean;
}

export interface CallDetail {
  readonly id: InvocationId;
  readonly app: AppName;
  /** Epoch milliseconds. */
  readonly endedMs: number;
  /** The trace that it belongs to, 32 hex digits; `undefined`: it began one of its own, whose id is its own. */
  readonly trace: string | undefined;
  /** The span that it was called from, 16 hex digits: the last ones of the caller's id. Present with `trace`. */
  readonly parent: string | undefined;
  readonly input: CallPayload | undefined;
  readonly output: CallPayload | undefined;
}

/** A call of a trace. */
export interface TracedCall {
  readonly id: InvocationId;
  readonly parent: string;
}

export interface CallDetailStore {
  append(details: readonly CallDetail[]): Promise<void>;
  /** Of the latest attempt that has any. */
  find(id: InvocationId): Promise<CallDetail | undefined>;
  /** The calls of a trace, the first to end first, without the one that began it; at most `limit`. */
  listTrace(trace: string, limit: number): Promise<TracedCall[]>;
  /**
   * Deletes what ended before `beforeMs`, then the oldest until there are at most these many rows and bytes of
   * payload; in small steps, each of which returns how many went.
   */
  prune(limits: CallDetailLimits): Promise<number>;
}

export interface CallDetailLimits {
  readonly beforeMs: number;
  readonly rowsMax: number;
  readonly bytesMax: number;
}

/** Of one body, in bytes. */
export const PAYLOAD_BYTES_MAX = 32 * 1024;
