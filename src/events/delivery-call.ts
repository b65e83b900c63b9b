import { LambentError } from '../base/errors.ts';
import type { InvocationId, MintUuid } from '../base/ids.ts';
import type { CloudEvent } from '../model/cloud-event.ts';
import type { AppName } from '../model/function.ts';
import type { InvocationError } from '../model/invocation.ts';
import type { Trigger } from '../model/trigger.ts';
import type { ClaimedDelivery } from '../ports/event-store.ts';
import { EVENT_BYTES_MAX, type EventOutcome, type Invoker } from '../ports/invoker.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import { toEventBridgeEvent } from './event-view.ts';
import { targetInput } from './target-input.ts';

/** What a call came to, for each delivery in it. */
export type CallResult = {
  /** The one that it was, where a function was called. */
  readonly invocation?: InvocationId;
} & (
  | {
      readonly kind: 'answered';
      readonly payload: Buffer;
      /** Ids of events that the function reported as failed. */
      readonly failed: ReadonlySet<string>;
    }
  | {
      readonly kind: 'failed';
      readonly error: InvocationError;
      readonly retryable: boolean;
      /** Not to be tried again before that. */
      readonly retryAfterMs?: number | undefined;
      /** The trigger is to be paused: what is behind it wants nothing more. */
      readonly isGone?: boolean;
    }
  /** It never reached the function, and that was nobody's failure: try again soon, without counting. */
  | { readonly kind: 'refused' }
  /** The platform is stopping. */
  | { readonly kind: 'stopped' }
);

/** Bytes of the events of one batch: with commas and brackets, what a call may carry. */
export const BATCH_BYTES_MAX = EVENT_BYTES_MAX - 1_024;

const NOT_YET: ReadonlySet<string> = new Set(['E_CONCURRENCY_LIMIT', 'E_OVERLOADED', 'E_START_FAILED']);

export interface CallParts {
  readonly invoker: Invoker;
  readonly liveApps: LiveApps;
  readonly mintUuid: MintUuid;
}

/** Calls a trigger's function with one delivery or a batch. Calls back once, after it has returned. */
export function callFunction(
  parts: CallParts,
  app: AppName,
  trigger: Trigger,
  batch: readonly ClaimedDelivery[],
  onResult: (result: CallResult) => void,
): void {
  const { invoker, liveApps, mintUuid } = parts;
  const resolved = liveApps.resolve(app, trigger.function);
  if (resolved === undefined) {
    const message = `function ${trigger.function} of app ${app} is not live`;
    queueMicrotask(() => onResult({ kind: 'failed', error: errorOf(message), retryable: true }));
    return;
  }
  const single = batch.length === 1 ? batch[0]! : undefined;
  const id = mintUuid() as InvocationId;
  invoker
    .invoke({
      id,
      version: resolved.version,
      deployment: resolved.deployment,
      trigger: 'event',
      payload: payloadOf(trigger, batch),
      traceparent: single && traceparentOf(single),
      clientContext: undefined,
      via: { kind: 'trigger', name: `${app}/${trigger.name}` },
      attempt: batch[0]!.attempts + 1,
      depth: single?.depth ?? Math.max(...batch.map(({ depth }) => depth)),
    })
    .then(
      (outcome) => onResult({ ...resultOf(outcome, trigger, batch), invocation: id }),
      (thrown: unknown) => {
        const message = thrown instanceof Error ? thrown.message : String(thrown);
        onResult({ kind: 'failed', error: errorOf(message), retryable: false });
      },
    );
}

/** An error of the delivery itself, in the shape of one of a function. */
export function errorOf(message: string): InvocationError {
  const { code } = new LambentError('E_EVENT_UNDELIVERABLE', message);
  return { code, errorType: 'DeliveryError', errorMessage: message, stackTrace: [] };
}

/** One event as it is stored, or `{ "events": [ … ] }`: no event is read and written again on the way. */
export function payloadOf(trigger: Trigger, batch: readonly ClaimedDelivery[]): Uint8Array {
  const { source, delivery, rule } = trigger;
  if (rule !== undefined) {
    const { event, receivedMs } = batch[0]!;
    return Buffer.from(
      targetInput(rule, JSON.parse(Buffer.from(event).toString()) as CloudEvent, receivedMs),
    );
  }
  const isForEventBridge = source.kind === 'events' && source.format === 'eventbridge';
  if (!delivery.batched) return isForEventBridge ? eventBridgeText(batch[0]!) : batch[0]!.event;
  return listOf(isForEventBridge ? batch.map(eventBridgeText) : batch.map(({ event }) => event));
}

function eventBridgeText({ event, receivedMs }: ClaimedDelivery): Uint8Array {
  const parsed = JSON.parse(Buffer.from(event).toString()) as CloudEvent;
  return Buffer.from(JSON.stringify(toEventBridgeEvent(parsed, receivedMs)));
}

function listOf(texts: readonly Uint8Array[]): Uint8Array {
  const commas = Math.max(0, texts.length - 1);
  const bytes = texts.reduce(
    (sum, text) => sum + text.byteLength,
    LIST_BEGIN.length + commas + LIST_END.length,
  );
  const list = Buffer.allocUnsafe(bytes);
  let at = 0;
  const add = (piece: Uint8Array): void => {
    list.set(piece, at);
    at += piece.byteLength;
  };
  add(LIST_BEGIN);
  texts.forEach((text, place) => {
    if (place > 0) add(COMMA);
    add(text);
  });
  add(LIST_END);
  return list;
}

const LIST_BEGIN = Buffer.from('{"events":[');
const LIST_END = Buffer.from(']}');
const COMMA = Buffer.from(',');
const TRACEPARENT = Buffer.from('"traceparent":"');

/** The extension attribute of the Distributed Tracing extension, if the event has it. */
export function traceparentOf({ event }: ClaimedDelivery): string | undefined {
  const text = Buffer.from(event.buffer, event.byteOffset, event.byteLength);
  // Most have none, and looking is many times cheaper than parsing.
  if (!text.includes(TRACEPARENT)) return undefined;
  const { traceparent } = JSON.parse(text.toString()) as CloudEvent;
  return typeof traceparent === 'string' &&
    /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent)
    ? traceparent
    : undefined;
}

function resultOf(outcome: EventOutcome, trigger: Trigger, batch: readonly ClaimedDelivery[]): CallResult {
  if (outcome.status === 'ok') {
    const failed = trigger.delivery.batched ? parseFailures(outcome.payload, batch) : NONE;
    if (failed !== undefined) return { kind: 'answered', payload: outcome.payload, failed };
    const message = 'the function named failed events that were not in its batch';
    return { kind: 'failed', error: errorOf(message), retryable: true };
  }
  if (outcome.error.code === 'E_SHUTTING_DOWN') return { kind: 'stopped' };
  if (NOT_YET.has(outcome.error.code)) return { kind: 'refused' };
  // Who waits for an answer gains nothing by calling again; an event can wait until the code loads.
  const retryable = outcome.retryable || outcome.error.code === 'E_BOOT_FAILED';
  return { kind: 'failed', error: outcome.error, retryable };
}

const NONE: ReadonlySet<string> = new Set();

/** V8 makes each text that is looked up the only one of its kind in the process: not where there is nothing to find. */
export function isAmong(ids: ReadonlySet<string>, id: string): boolean {
  return ids.size > 0 && ids.has(id);
}

/**
 * The ids in `{ "batchItemFailures": [{ "itemIdentifier": id }] }`, as Lambda's event source mappings read it, or in
 * `{ "failed": [id] }`. `undefined`: one is missing, empty or unknown, so that the whole batch failed.
 */
function parseFailures(payload: Buffer, batch: readonly ClaimedDelivery[]): ReadonlySet<string> | undefined {
  if (payload.length === 0 || !(payload.includes('batchItemFailures') || payload.includes('"failed"')))
    return NONE;
  let answer: unknown;
  try {
    answer = JSON.parse(payload.toString());
  } catch {
    return NONE;
  }
  if (typeof answer !== 'object' || answer === null) return NONE;
  const { batchItemFailures, failed } = answer as { batchItemFailures?: unknown; failed?: unknown };
  const ids: unknown[] = Array.isArray(batchItemFailures)
    ? batchItemFailures.map((item: unknown) => (item as { itemIdentifier?: unknown } | null)?.itemIdentifier)
    : Array.isArray(failed)
      ? failed
      : [];
  const known = new Set(batch.map(({ id }) => id));
  if (!ids.every((id) => typeof id === 'string' && known.has(id))) return undefined;
  return new Set(ids as string[]);
}
