import type { Clock } from '../base/clock.ts';
import { LambentError, toLambentError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type { JournalStore } from '../ports/journal-store.ts';
import type { CallFunction } from './call-function.ts';
import { failureOf } from './failures.ts';
import type { HotExecution } from './hot-execution.ts';
import { RunningCalls } from './running-calls.ts';
import type { Effect } from './transition.ts';

/** A call that found no room is made again within this time, doubling up to the maximum, with full jitter. */
const ROOM_FIRST_MS = 50;
const ROOM_MAX_MS = 5_000;

export interface EffectOptions {
  readonly store: JournalStore;
  readonly call: CallFunction;
  readonly clock: Clock;
  readonly random: Random;
}

type Performed = Exclude<Effect, { kind: 'offer' | 'attempt' | 'answered' }>;

/** Carries out what executions asked for, once that is durable. */
export interface EffectRunner {
  perform(hot: HotExecution, effect: Performed): void;
  /** The execution ended or is not held here any more: the calls that it makes are withdrawn. */
  withdrawAll(hot: HotExecution): void;
}

export function createEffectRunner({ store, call, clock, random }: EffectOptions): EffectRunner {
  const calls = new RunningCalls();
  const makeCall = async (hot: HotExecution, op: number, throttled: number): Promise<void> => {
    const operation = hot.state.open.get(op);
    if (hot.closed || operation?.task.kind !== 'call') return;
    const { task, attempt } = operation;
    const signal = calls.enter(hot, op);
    const outcome = await call({
      signal,
      record: hot.record,
      function: task.function,
      input: task.input,
      op,
      attempt,
    }).catch(
      (thrown) => ({ status: 'failed', error: failureOf(toLambentError(thrown)), retryable: false }) as const,
    );
    if (signal.aborted) return;
    calls.leave(hot, op);
    if (outcome.status === 'throttled') {
      const ceilingMs = Math.min(ROOM_MAX_MS, ROOM_FIRST_MS * 2 ** throttled);
      clock.after(Math.ceil(random.fraction() * ceilingMs), () => {
        void makeCall(hot, op, throttled + 1);
      });
      return;
    }
    if (outcome.status === 'ok') hot.offer({ kind: 'completed', op, output: outcome.output });
    else if (outcome.status === 'failed') hot.failCall(op, outcome.error, outcome.retryable);
  };

  const checkSignal = async (hot: HotExecution, effect: Extract<Performed, { kind: 'checkSignal' }>) => {
    const { op, execution } = effect;
    const found = await store.find(execution);
    if (
      found === undefined ||
      (found.endedMs !== undefined && found.endedMs <= clock.nowMs() && found.status !== 'running')
    ) {
      const error =
        found === undefined
          ? new LambentError('E_NOT_FOUND', `there is no execution ${execution}`)
          : new LambentError('E_EXECUTION_ENDED', `execution ${execution} has ended (${found.status})`);
      hot.offer({ kind: 'failed', op, error: failureOf(error) });
    } else hot.offer({ kind: 'completed', op, output: { json: null } });
  };

  const checkChild = async (hot: HotExecution, effect: Extract<Performed, { kind: 'checkChild' }>) => {
    const { op, execution, waits } = effect;
    if ((await store.find(execution)) === undefined) {
      const error = new LambentError(
        'E_NOT_FOUND',
        'the child workflow was not found when it should have begun',
      );
      hot.offer({ kind: 'failed', op, error: failureOf(error) });
    } else if (!waits) hot.offer({ kind: 'completed', op, output: { json: { execution } } });
  };

  const guarded = (hot: HotExecution, op: number, work: Promise<void>): void => {
    work.catch((thrown) => hot.offer({ kind: 'failed', op, error: failureOf(toLambentError(thrown)) }));
  };

  return {
    perform(hot, effect) {
      if (effect.kind === 'call') void makeCall(hot, effect.op, 0);
      else if (effect.kind === 'withdraw') calls.withdraw(hot, effect.op);
      else if (effect.kind === 'checkSignal') guarded(hot, effect.op, checkSignal(hot, effect));
      else guarded(hot, effect.op, checkChild(hot, effect));
    },
    withdrawAll: (hot) => calls.withdrawAll(hot),
  };
}
