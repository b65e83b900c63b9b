import { LambentError } from '../base/errors.ts';
import type { ExecutionOrigin, ExecutionRecord } from '../model/execution.ts';
import { CALL_DEPTH_MAX } from '../ports/platform-calls.ts';

/*
 * What led to an execution leads on to all that it causes: calls, events, further executions. So a chain that leads
 * back to where it began has an end, and a request is one trace, however many executions it goes through.
 */

export function depthOf({ origin }: ExecutionRecord): number {
  return origin?.depth ?? 0;
}

/** W3C Trace Context for what an execution does: the trace that it was started in, or one of its own, by its id. */
export function traceparentOf({ id, origin }: ExecutionRecord, op = 0, attempt = 0): string {
  const own = id.replaceAll('-', '');
  const started = origin?.traceparent;
  const span = op === 0 ? own.slice(-16) : `${hex(op)}${hex(attempt)}`;
  return started === undefined
    ? `00-${own}-${span}-01`
    : `00-${started.slice(3, 35)}-${span}-${started.slice(-2)}`;
}

/** Of an execution that this one starts. `E_CALL_DEPTH` when the chain is too long. */
export function originBelow(record: ExecutionRecord): ExecutionOrigin {
  return nextOrigin(depthOf(record), traceparentOf(record), record.workflow);
}

/** Of an execution that something starts which came about by `depth` calls and events. */
export function nextOrigin(depth: number, traceparent: string | undefined, by: string): ExecutionOrigin {
  if (depth >= CALL_DEPTH_MAX)
    throw new LambentError(
      'E_CALL_DEPTH',
      `${by} starts a workflow at the end of a chain of ${CALL_DEPTH_MAX} calls and events, the limit`,
    );
  return { depth: depth + 1, traceparent };
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
