import type { InvocationId } from '../base/ids.ts';

/** W3C trace context, version 00 and later ones read as it (https://www.w3.org/TR/trace-context/#traceparent-header). */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const FLAGS_SAMPLED = '01';

/** The value if it is a trace context; otherwise `undefined`, as if none had been sent. */
export function parseTraceparent(value: string | null | undefined): string | undefined {
  return typeof value === 'string' && TRACEPARENT.test(value) ? value : undefined;
}

/**
 * The trace context for what an invocation calls: the same trace as its own caller's, or a new one, with the
 * invocation as the parent. Both ids come from the invocation's own, so that nobody has to remember them: the trace
 * id is its 32 hex digits, the span id its last 16.
 */
export function traceparentBelow(traceparent: string | undefined, invocation: InvocationId): string {
  const hex = invocation.replaceAll('-', '');
  const span = hex.slice(-16);
  if (traceparent === undefined) return `00-${hex}-${span}-${FLAGS_SAMPLED}`;
  return `00-${traceparent.slice(3, 35)}-${span}-${traceparent.slice(-2)}`;
}
