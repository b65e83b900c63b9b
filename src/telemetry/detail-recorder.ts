import type { Clock, Timer } from '../base/clock.ts';
import { toLambentError } from '../base/errors.ts';
import type { InvocationId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { AppName, VersionId } from '../model/function.ts';
import type { InvocationRecord } from '../model/invocation.ts';
import type { CallTail } from '../ports/activity.ts';
import type { CallDetail, CallDetailStore, CallPayload, TracedCall } from '../ports/call-details.ts';
import { redactPayload } from './redact-payload.ts';

/*
 * Keeps what records leave out: of every call its place in a trace, where it has one, and of some calls what went in
 * and came out. A call costs a look at a budget; only within it is anything copied. So a busy function's payloads are
 * samples, those that fail apart from those that go well, and a function that is called now and then has all of them.
 *
 * Deliberately absent: a retry. What the store refuses is counted as lost, like what there was no room for.
 */

/** Payloads kept a second of one version of a function: of calls that went well, and as many again of those that did not. */
export const PAYLOADS_A_SECOND = 10;
/** … and of all functions together. */
export const PAYLOADS_A_SECOND_ALL = 200;
/** Versions whose budgets are told apart at a time. */
const BUDGETS_MAX = 4_096;
const FLUSH_PERIOD_MS = 200;
/** What may wait for the store; what comes beyond is lost, and counted. */
export const DETAILS_WAITING_MAX = 20_000;
export const DETAIL_CHARS_WAITING_MAX = 32 * 1024 * 1024;

export interface DetailRecorderOptions {
  readonly store: CallDetailStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Takes the values of an app's secrets out of a text. */
  redact(app: AppName, text: string): string;
}

export interface DetailRecorder extends Pick<CallDetailStore, 'find' | 'listTrace'> {
  /** To be called once the call has ended; never throws. */
  take(record: InvocationRecord, tail: CallTail): void;
  // Both see all that was taken before.
  /** What was given up since the start. */
  readonly lost: number;
  /** Resolves when everything taken before is stored, or given up. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export function createDetailRecorder(options: DetailRecorderOptions): DetailRecorder {
  return new BudgetedRecorder(options);
}

class BudgetedRecorder implements DetailRecorder {
  readonly #options: DetailRecorderOptions;
  readonly #budgets = new Map<VersionId, { well: number; badly: number }>();
  #second = 0;
  #inSecond = 0;
  #waiting: CallDetail[] = [];
  #chars = 0;
  #timer: Timer | undefined;
  #storing: Promise<void> = Promise.resolve();
  #closed = false;
  lost = 0;

  constructor(options: DetailRecorderOptions) {
    this.#options = options;
  }

  take(record: InvocationRecord, tail: CallTail): void {
    const { traceparent } = tail;
    const isKept = tail.mayKeep && this.#isWithinBudget(record);
    if (traceparent === undefined && !isKept) return;
    if (this.#closed || this.#waiting.length >= DETAILS_WAITING_MAX) {
      this.lost += 1;
      return;
    }
    const { id, app } = record;
    const input = isKept ? this.#payloadOf(app, tail.input()) : undefined;
    const output = isKept ? this.#payloadOf(app, tail.output()) : undefined;
    const chars = (input?.body.length ?? 0) + (output?.body.length ?? 0);
    if (this.#chars + chars > DETAIL_CHARS_WAITING_MAX) {
      this.lost += 1;
      return;
    }
    this.#chars += chars;
    this.#waiting.push({
      ...{ id, app, endedMs: this.#options.clock.nowMs(), input, output },
      trace: traceparent?.slice(3, 35),
      parent: traceparent?.slice(36, 52),
    });
    if (this.#timer === undefined) this.#schedule();
  }

  async find(id: InvocationId): Promise<CallDetail | undefined> {
    await this.flush();
    return this.#options.store.find(id);
  }

  async listTrace(trace: string, limit: number): Promise<TracedCall[]> {
    await this.flush();
    return this.#options.store.listTrace(trace, limit);
  }

  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#storing = this.#storing.then(() => this.#store());
    return this.#storing;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
  }

  #schedule(): void {
    this.#timer = this.#options.clock.after(FLUSH_PERIOD_MS, () => void this.flush());
  }

  /** Counts the call if it is. */
  #isWithinBudget({ version, status }: InvocationRecord): boolean {
    const second = Math.floor(this.#options.clock.monotonicMs() / 1_000);
    if (second !== this.#second || this.#budgets.size >= BUDGETS_MAX) {
      this.#second = second;
      this.#inSecond = 0;
      this.#budgets.clear();
    }
    if (this.#inSecond >= PAYLOADS_A_SECOND_ALL) return false;
    let budget = this.#budgets.get(version);
    if (budget === undefined) {
      budget = { well: 0, badly: 0 };
      this.#budgets.set(version, budget);
    }
    const side = status === 'ok' ? 'well' : 'badly';
    if (budget[side] >= PAYLOADS_A_SECOND) return false;
    budget[side] += 1;
    this.#inSecond += 1;
    return true;
  }

  #payloadOf(app: AppName, raw: ReturnType<CallTail['input']>): CallPayload | undefined {
    return raw && redactPayload(raw, (text) => this.#options.redact(app, text));
  }

  async #store(): Promise<void> {
    const details = this.#waiting;
    if (details.length === 0) return;
    this.#waiting = [];
    this.#chars = 0;
    try {
      await this.#options.store.append(details);
    } catch (thrown) {
      this.lost += details.length;
      const { code, message } = toLambentError(thrown);
      this.#options.log.warn('details of calls were not stored', { code, message, count: details.length });
    }
  }
}
