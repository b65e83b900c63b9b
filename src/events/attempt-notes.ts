import type { Clock } from '../base/clock.ts';
import type { InvocationError } from '../model/invocation.ts';
import type { ClaimedDelivery, DeliveryAttempt } from '../ports/event-store.ts';
import { type CallResult, isAmong } from './delivery-call.ts';
import { TokenBucket } from './token-bucket.ts';

/** Attempts that went well the first time and are kept all the same, a second: more would write as much as events do. */
const FIRST_TRIES_A_SECOND = 50;
/** Attempts that wait for what comes of them; with more, the oldest are not noted. */
const NOTES_MAX = 20_000;

/**
 * Remembers how attempts went until what came of them is settled, and then has them noted: all that failed, all of
 * deliveries that failed before, and of the others as many as the budget allows.
 */
export class AttemptNotes {
  readonly #clock: Clock;
  readonly #note: (delivery: ClaimedDelivery, attempt: DeliveryAttempt) => void;
  readonly #firstTries: TokenBucket;
  /** By key. Of nearly all deliveries there is nothing. */
  readonly #ended = new Map<number, Omit<DeliveryAttempt, 'nextMs'>>();

  constructor(clock: Clock, note: (delivery: ClaimedDelivery, attempt: DeliveryAttempt) => void) {
    this.#clock = clock;
    this.#note = note;
    this.#firstTries = new TokenBucket(clock, FIRST_TRIES_A_SECOND);
  }

  ended(batch: readonly ClaimedDelivery[], startedMs: number, result: CallResult): void {
    if (result.kind === 'refused' || result.kind === 'stopped') return;
    const tookMs = Math.max(0, this.#clock.nowMs() - startedMs);
    const { invocation } = result;
    let isWithinBudget = true;
    for (const delivery of batch) {
      const error = result.kind === 'failed' ? result.error : undefined;
      const isFailed =
        error !== undefined || (result.kind === 'answered' && isAmong(result.failed, delivery.id));
      if (!isFailed && delivery.attempts === 0) {
        isWithinBudget &&= this.#firstTries.take() === 0;
        if (!isWithinBudget) continue;
      }
      if (this.#ended.size >= NOTES_MAX) this.#ended.delete(this.#ended.keys().next().value!);
      this.#ended.set(delivery.key, { startedMs, tookMs, invocation, error: error ?? failureOf(isFailed) });
    }
  }

  /** It was given back: nothing came of it. */
  forget({ key }: ClaimedDelivery): void {
    this.#ended.delete(key);
  }

  settleAll(deliveries: readonly ClaimedDelivery[]): void {
    if (this.#ended.size > 0) for (const delivery of deliveries) this.settle(delivery, undefined);
  }

  /** @param error of a delivery that died, where the attempt itself says less */
  settle(delivery: ClaimedDelivery, nextMs: number | undefined, error?: InvocationError): void {
    const attempt = this.#ended.get(delivery.key);
    if (attempt === undefined) return;
    this.#ended.delete(delivery.key);
    this.#note(delivery, { ...attempt, error: error ?? attempt.error, nextMs });
  }
}

function failureOf(isFailed: boolean): InvocationError | undefined {
  if (!isFailed) return undefined;
  const errorMessage = 'the function named it among those of its batch that failed';
  return { code: 'E_EVENT_UNDELIVERABLE', errorType: 'DeliveryError', errorMessage, stackTrace: [] };
}
