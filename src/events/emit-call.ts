import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { MintUuid } from '../base/ids.ts';
import { CLOUD_EVENT_BYTES_MAX, eventError, parseCloudEvent } from '../model/cloud-event.ts';
import { scopeOfApp } from '../model/event-scope.ts';
import type { EventBus } from '../ports/event-bus.ts';
import type { OperationHandler } from '../ports/platform-calls.ts';

export interface EmitCallOptions {
  readonly bus: EventBus;
  readonly clock: Clock;
  readonly mintUuid: MintUuid;
}

/**
 * The operation `emit`: a function puts an event onto the bus. What it leaves out is filled in: a new id, the time,
 * and as source the function itself, `/apps/APP/functions/FUNCTION`.
 */
export function createEmitCall({ bus, clock, mintUuid }: EmitCallOptions): OperationHandler {
  return async (caller, _args, payload) => {
    if (payload.length > CLOUD_EVENT_BYTES_MAX)
      throw new LambentError(
        'E_PAYLOAD_TOO_LARGE',
        `the event has ${payload.length} bytes; at most ${CLOUD_EVENT_BYTES_MAX} are allowed`,
      );
    const event = parseCloudEvent({
      id: mintUuid(),
      source: `/apps/${caller.app}/functions/${caller.function}`,
      time: new Date(clock.nowMs()).toISOString(),
      ...(caller.traceparent === undefined ? {} : { traceparent: caller.traceparent }),
      ...objectOf(payload),
      specversion: '1.0',
    });
    await bus.publish([event], { scope: scopeOfApp(caller.app), depth: caller.chain.depth + 1 });
    return Buffer.from(JSON.stringify({ id: event.id }));
  };
}

function objectOf(payload: Buffer): object {
  let given: unknown;
  try {
    given = JSON.parse(payload.toString());
  } catch {
    throw eventError('it is not JSON');
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw eventError('an event is an object with a `type`');
  return given;
}
