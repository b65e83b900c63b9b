import type { CloudEvent } from '../model/cloud-event.ts';
import type { SealedEvent } from '../model/sealed-event.ts';

/** What EventBridge says where an event of its own would name an account. */
const ACCOUNT = '000000000000';
const REGION = 'local';

/**
 * The event as EventBridge would send it. Source: "Event structure" in the EventBridge User Guide. `resources` come
 * from PutEvents in the extension attribute `awsresources`, as JSON text.
 */
export function toEventBridgeEvent(event: CloudEvent, receivedMs: number): Record<string, unknown> {
  return {
    version: '0',
    id: event.id,
    'detail-type': event.type,
    source: event.source,
    account: ACCOUNT,
    time: event.time ?? new Date(receivedMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    region: REGION,
    resources: resourcesOf(event.awsresources),
    detail: event.data ?? {},
  };
}

/** What patterns see: the event's own attributes, and EventBridge's names for them. */
export function toPatternView(event: CloudEvent, receivedMs: number): Record<string, unknown> {
  return { ...event, ...toEventBridgeEvent(event, receivedMs) };
}

/** The value at a path such as `data.customer.id`, as text for ordering and repetitions; `undefined`: there is none. */
export function textAt(event: SealedEvent, path: string): string | undefined {
  // What rows are ordered by, and not worth parsing the event.
  if (path === 'subject') return event.subject;
  let value: unknown = event.parsed;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function resourcesOf(attribute: unknown): unknown[] {
  if (typeof attribute !== 'string') return [];
  try {
    const list: unknown = JSON.parse(attribute);
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}
