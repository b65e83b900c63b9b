/**
 * The trace of an invocation in the form of AWS X-Ray (`Root=1-…;Parent=…;Sampled=1`), which runtimes put into
 * `_X_AMZN_TRACE_ID` where one invocation runs at a time. Ids are those of the W3C trace context; without one the invocation's own id begins a trace.
 */
export function xrayTraceId(requestId: string, traceparent: string | undefined): string {
  const own = requestId.replaceAll('-', '').padStart(32, '0');
  const [, trace = own, parent = own.slice(-16), flags = '01'] =
    /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent ?? '') ?? [];
  const sampled = Number.parseInt(flags, 16) & 1;
  return `Root=1-${trace.slice(0, 8)}-${trace.slice(8)};Parent=${parent};Sampled=${sampled}`;
}
