import { AsyncLocalStorage } from 'node:async_hooks';
import { FLAG_FIN, FRAME, HELD_MS } from '../../src/model/frames.ts';
import type { Channel } from './channel.ts';

// The author's code may replace these.
const { setTimeout, queueMicrotask } = globalThis;

/** A call as it came: its frame. */
export interface CameCall {
  readonly stream: number;
  readonly isHttp: boolean;
  readonly payload: Buffer;
  readonly last: boolean;
}

/**
 * The calls that the platform sent ahead of their turn, in an instance that runs one at a time. They begin in their
 * order, each when the last frame of the one before has left. Those that wait behind a long one are given back, and
 * all of them in an instance that retires.
 */
export class HeldCalls {
  readonly #channel: Channel;
  readonly #begin: (call: CameCall) => void;
  /** Nothing of the call that ended is to be found in the next one. */
  readonly #outside = AsyncLocalStorage.snapshot();
  #isOn = false;
  #retires = false;
  /** The stream of the call that runs; 0: none. */
  #running = 0;
  #waiting: CameCall[] = [];
  #watched = 0;
  #watching = false;
  readonly #next = (): void => {
    this.#outside(() => this.#beginNext());
  };

  constructor(channel: Channel, begin: (call: CameCall) => void) {
    this.#channel = channel;
    this.#begin = begin;
  }

  /** The platform asked, and this instance runs one call at a time. `running`: the stream of the call that runs, or 0. */
  hold(running: number): void {
    this.#isOn = true;
    this.#running = running;
    this.#channel.frame(FRAME.HOLDS, 0, 0);
  }

  /** A call came: it begins now, or waits for its turn. */
  came(call: CameCall): void {
    if (this.#retires && call.last) {
      this.#return(call);
      return;
    }
    if (!this.#isOn) {
      this.#begin(call);
      return;
    }
    this.#waiting.push(call);
    if (this.#running !== 0 || this.#waiting.length > 1) this.#watch();
    else this.#beginAfterFlush(() => this.#beginNext());
  }

  /** The last frame of a call was written. */
  ended(stream: number): void {
    if (stream !== this.#running) return;
    this.#running = 0;
    if (this.#waiting.length > 0) this.#beginAfterFlush(() => queueMicrotask(this.#next));
  }

  /** Its caller is gone. False: it does not wait here. */
  cancel(stream: number): boolean {
    const at = this.#waiting.findIndex((call) => call.stream === stream);
    if (at < 0) return false;
    this.#waiting.splice(at, 1);
    this.#channel.frame(FRAME.BODY, FLAG_FIN, stream);
    return true;
  }

  /** RETIRE was said: nothing begins any more that came whole, so that it can begin elsewhere. */
  retire(): void {
    this.#retires = true;
    this.#giveBack();
  }

  #giveBack(): void {
    const { true: whole = [], false: others = [] } = Object.groupBy(this.#waiting, ({ last }) => `${last}`);
    for (const call of whole) this.#return(call);
    this.#waiting = others;
  }

  #return({ stream }: CameCall): void {
    this.#channel.frame(FRAME.RETURNED, FLAG_FIN, stream);
  }

  #beginAfterFlush(begin: () => void): void {
    this.#channel.flush();
    this.#channel.whenTaken(begin);
  }

  #beginNext(): void {
    if (this.#running !== 0) return;
    const call = this.#waiting.shift();
    if (call === undefined) return;
    this.#running = call.stream;
    this.#begin(call);
  }

  /** Looks now and then whether the same call still runs. */
  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#watched = this.#running;
    setTimeout(() => {
      this.#watching = false;
      if (this.#waiting.length === 0) return;
      // Where none runs, the end of one is on its way out: the next is about to begin.
      if (this.#running !== 0 && this.#running === this.#watched) this.#giveBack();
      else this.#watch();
    }, HELD_MS).unref();
  }
}
