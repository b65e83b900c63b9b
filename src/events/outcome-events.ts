import type { CloudEvent } from '../model/cloud-event.ts';
import type { InvocationError } from '../model/invocation.ts';
import type { Destination } from '../model/trigger.ts';
import type { ClaimedDelivery } from '../ports/event-store.ts';
import type { LiveTrigger } from './trigger-table.ts';

/** The type of the event about a dead letter: triggers may take it like any other. */
export const DEAD_LETTER_TYPE = 'lambent.dead-letter';
export const DISABLED_TYPE = 'lambent.trigger.disabled';
export const SUCCEEDED_TYPE = 'lambent.delivery.succeeded';
export const FAILED_TYPE = 'lambent.delivery.failed';

/** What a dead letter says of itself on the bus; `undefined` for one of that kind, or there would be no end. */
export function deadLetterEvent(
  live: LiveTrigger,
  delivery: ClaimedDelivery,
  error: InvocationError,
  nowMs: number,
): CloudEvent | undefined {
  if (delivery.type === DEAD_LETTER_TYPE) return undefined;
  const { key, seq, id, source, type, attempts } = delivery;
  return outcomeEvent(live, DEAD_LETTER_TYPE, `dead-${key}`, nowMs, {
    deadLetter: key,
    trigger: live.id,
    function: live.trigger.function,
    event: { seq, id, source, type },
    attempts: attempts + 1,
    error,
  });
}

/** What a trigger says when it was paused because its receiver wants nothing more. */
export function disabledEvent(
  live: LiveTrigger,
  error: InvocationError,
  id: string,
  nowMs: number,
): CloudEvent {
  return outcomeEvent(live, DISABLED_TYPE, id, nowMs, { trigger: live.id, error });
}

/** What goes to a destination: as Lambda's destinations, the request and what came of it. */
export function destinationEvent(
  live: LiveTrigger,
  delivery: ClaimedDelivery,
  destination: Destination,
  outcome: { readonly answer: Buffer | undefined } | { readonly error: InvocationError },
  nowMs: number,
): CloudEvent {
  const failed = 'error' in outcome;
  const type = destination.kind === 'emit' ? destination.type : failed ? FAILED_TYPE : SUCCEEDED_TYPE;
  return outcomeEvent(live, type, `${failed ? 'failed' : 'succeeded'}-${delivery.key}`, nowMs, {
    trigger: live.id,
    function: live.trigger.function,
    attempts: delivery.attempts + 1,
    requestPayload: parsed(delivery.event),
    ...(failed ? { error: outcome.error } : { responsePayload: parsed(outcome.answer) }),
  });
}

function outcomeEvent(live: LiveTrigger, type: string, id: string, nowMs: number, data: object): CloudEvent {
  return {
    specversion: '1.0',
    id,
    source: `/lambent/triggers/${live.id}`,
    type,
    time: new Date(nowMs).toISOString(),
    datacontenttype: 'application/json',
    data,
  };
}

function parsed(text: Uint8Array | undefined): unknown {
  if (text === undefined || text.byteLength === 0) return null;
  try {
    return JSON.parse(Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString());
  } catch {
    return null;
  }
}
