import { createHash } from 'node:crypto';
import { LambentError, toLambentError } from '../base/errors.ts';
import type { AppName } from '../model/function.ts';
import { type Startable, type Trigger, triggerIdOf, type WebhookTarget } from '../model/trigger.ts';
import type { ClaimedDelivery } from '../ports/event-store.ts';
import type { StartMeter } from '../ports/traffic.ts';
import type { ExecutionStarter } from '../ports/execution-starter.ts';
import type { WebhookSender } from '../ports/webhook-sender.ts';
import {
  type CallParts,
  type CallResult,
  callFunction,
  errorOf,
  payloadOf,
  traceparentOf,
} from './delivery-call.ts';

/** Brings one delivery or a batch to what the trigger runs. Calls back once, after it has returned. */
export function deliver(
  parts: CallParts & {
    readonly starter: ExecutionStarter;
    readonly webhooks: WebhookSender;
    readonly starts: StartMeter;
  },
  app: AppName,
  trigger: Trigger,
  batch: readonly ClaimedDelivery[],
  onResult: (result: CallResult) => void,
): void {
  const starts = trigger.starts ?? workflowOf(parts, app, trigger);
  if (starts === undefined) callFunction(parts, app, trigger, batch, onResult);
  else if (starts.kind === 'webhook')
    void sendWebhook(parts.webhooks, app, trigger, starts, batch[0]!).then(onResult);
  else
    void startExecution(parts.starter, app, starts, batch, payloadOf(trigger, batch)).then((result) => {
      const id = triggerIdOf(app, trigger.name);
      if (result.kind === 'answered' || result.kind === 'failed')
        parts.starts.started(app, trigger.function, id, result.kind === 'failed');
      onResult(result);
    });
}

/** What the trigger of a workflow starts. */
function workflowOf({ liveApps }: CallParts, app: AppName, trigger: Trigger): Startable | undefined {
  const isWorkflow = liveApps.resolve(app, trigger.function)?.version.config.workflow === true;
  return isWorkflow ? { kind: 'workflow', workflow: trigger.function } : undefined;
}

/** Sends the event to an address outside. Never rejects. */
async function sendWebhook(
  webhooks: WebhookSender,
  app: AppName,
  { function: name }: Trigger,
  { url, secrets }: WebhookTarget,
  { id, event }: ClaimedDelivery,
): Promise<CallResult> {
  const outcome = await webhooks.send({ app, function: name, url, secrets, id, body: event });
  switch (outcome.kind) {
    case 'taken':
      return { kind: 'answered', payload: Buffer.from('null'), failed: new Set() };
    case 'gone':
      return { kind: 'failed', error: errorOf(outcome.message), retryable: false, isGone: true };
    case 'failed': {
      const { message, retryAfterMs } = outcome;
      return { kind: 'failed', error: errorOf(message), retryable: true, retryAfterMs };
    }
  }
}

/**
 * Starts the execution that deliveries are for: delivered is that it has begun, durably. Its name comes from them, so
 * that an attempt whose answer was lost starts no second one. Never rejects.
 */
async function startExecution(
  starter: ExecutionStarter,
  app: AppName,
  what: Startable,
  batch: readonly ClaimedDelivery[],
  payload: Uint8Array,
): Promise<CallResult> {
  const depth = Math.max(...batch.map((each) => each.depth));
  const origin = { depth, traceparent: batch.length === 1 ? traceparentOf(batch[0]!) : undefined };
  try {
    await starter.start(app, what, nameOf(batch), Buffer.from(payload).toString(), origin);
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

/** The same for the same deliveries. A batch that is made anew of others as well is another one. */
function nameOf(batch: readonly ClaimedDelivery[]): string {
  const keys = batch.map(({ key }) => key).join();
  return batch.length === 1
    ? `delivery-${keys}`
    : `deliveries-${createHash('sha256').update(keys).digest('hex').slice(0, 32)}`;
}
