import { LambentError, toLambentError } from '../base/errors.ts';
import type { AppName } from '../model/function.ts';
import type { Startable, Trigger } from '../model/trigger.ts';
import type { ClaimedDelivery } from '../ports/event-store.ts';
import type { ExecutionStarter } from '../ports/execution-starter.ts';
import { type CallParts, type CallResult, callFunction, errorOf, payloadOf } from './delivery-call.ts';

/** Brings one delivery or a batch to what the trigger runs. Calls back once, after it has returned. */
export function deliver(
  parts: CallParts & { readonly starter: ExecutionStarter },
  app: AppName,
  trigger: Trigger,
  batch: readonly ClaimedDelivery[],
  onResult: (result: CallResult) => void,
): void {
  const { starts } = trigger;
  if (starts === undefined) callFunction(parts, app, trigger, batch, onResult);
  else void startExecution(parts.starter, app, starts, batch[0]!, payloadOf(trigger, batch)).then(onResult);
}

/**
 * Starts the execution that a delivery is for: delivered is that it has begun, durably. Its name comes from the
 * delivery, so that an attempt whose answer was lost starts no second one. Never rejects.
 */
async function startExecution(
  starter: ExecutionStarter,
  app: AppName,
  what: Startable,
  delivery: ClaimedDelivery,
  payload: Uint8Array,
): Promise<CallResult> {
  try {
    await starter.start(app, what, `delivery-${delivery.key}`, Buffer.from(payload).toString());
    return { kind: 'answered', payload: Buffer.from('null'), failed: new Set() };
  } catch (thrown) {
    // Errors of the API of state machines carry their text only.
    if (!(thrown instanceof LambentError) && thrown instanceof Error)
      return { kind: 'failed', error: errorOf(thrown.message), retryable: true };
    const error = toLambentError(thrown);
    if (error.code === 'E_SHUTTING_DOWN') return { kind: 'stopped' };
    if (error.code === 'E_OVERLOADED') return { kind: 'refused' };
    // A workflow that is not there now may be deployed soon; an input that is too large stays so.
    return {
      kind: 'failed',
      error: errorOf(error.message),
      retryable: error.code !== 'E_PAYLOAD_TOO_LARGE',
    };
  }
}
