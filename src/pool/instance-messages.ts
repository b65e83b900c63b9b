/** Frames from an instance are untrusted input: here they become typed values, or `undefined`. */
import { z } from 'zod';
import {
  CALL_HEAD_BYTES_MAX,
  type CallHead,
  type FailureMessage,
  FLAG_FIN,
  FRAME,
  PROTOCOL_VERSION,
  type ReadyMessage,
  SEVERITIES,
} from '../model/frames.ts';
import type { FunctionVersion } from '../model/function.ts';
import type { LogSeverity, LogStream } from '../model/invocation.ts';
import type { StreamListener } from '../ports/instance-pool.ts';

const LOG_HEAD_BYTES = 10;
const TEXT_MAX = 64 * 1024;
const STACK_LINES_MAX = 50;

const readySchema = z.object({
  protocol: z.literal(PROTOCOL_VERSION),
  handlerKind: z.enum(['fetch', 'lambda', 'plain', 'server', 'workflow']),
  concurrency: z.int().min(1).max(1_000).optional(),
});

const failureSchema = z.object({
  code: z.string().max(64),
  errorType: z.string(),
  errorMessage: z.string(),
  stackTrace: z.array(z.string()),
  retryable: z.boolean().optional(),
});

const callHeadSchema = z.object({
  operation: z.string().max(64),
  args: z.record(z.string(), z.unknown()),
});

function parseJson(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch {
    return undefined;
  }
}

export function parseReady(payload: Buffer): ReadyMessage | undefined {
  return readySchema.safeParse(parseJson(payload)).data;
}

/** Why code that is ready is not what the manifest has it for: it would wait for what never comes. */
export function wrongKind(
  { config }: Pick<FunctionVersion, 'config'>,
  { handlerKind }: ReadyMessage,
): FailureMessage | undefined {
  const isWorkflow = config.workflow === true;
  if (isWorkflow === (handlerKind === 'workflow')) return undefined;
  const errorMessage = isWorkflow
    ? 'its file has no workflow: `export default workflow(…)` in JavaScript, `@workflow` in Python, `lambent.StartWorkflows(…)` in Go'
    : 'it is a workflow: its file belongs into the folder workflows/, or under `workflows` in the manifest';
  return { code: 'E_HANDLER_MISSING', errorType: 'HandlerMissing', errorMessage, stackTrace: [] };
}

/** Over-long texts are cut, not refused: the author should see the error all the same. */
export function parseFailure(payload: Buffer): FailureMessage | undefined {
  const failure = failureSchema.safeParse(parseJson(payload)).data;
  if (failure === undefined) return undefined;
  return {
    code: failure.code,
    errorType: failure.errorType.slice(0, 256),
    errorMessage: failure.errorMessage.slice(0, TEXT_MAX),
    stackTrace: failure.stackTrace.slice(0, STACK_LINES_MAX).map((line) => line.slice(0, 2_048)),
    ...(failure.retryable === false && { retryable: false }),
  };
}

export interface InstanceLogLine {
  readonly from: LogStream;
  readonly severity: LogSeverity;
  readonly timeMs: number;
  readonly text: string;
}

export function parseLog(payload: Buffer): InstanceLogLine | undefined {
  if (payload.length < LOG_HEAD_BYTES || payload.length > LOG_HEAD_BYTES + TEXT_MAX + 1_024) return undefined;
  const severity = SEVERITIES[payload[1]!];
  const timeMs = payload.readDoubleLE(2);
  if (severity === undefined || payload[0]! > 1 || !(timeMs >= 0 && timeMs < 8.64e15)) return undefined;
  return {
    from: payload[0] === 0 ? 'stdout' : 'stderr',
    severity,
    timeMs: Math.floor(timeMs),
    text: payload.toString('utf8', LOG_HEAD_BYTES),
  };
}

const CALL_FIXED_BYTES = 8;

export interface CallOpening {
  /** The stream of the invocation that calls; 0: none. */
  readonly invocationStream: number;
  readonly head: CallHead;
  /** The first bytes of the payload. */
  readonly body: Buffer;
}

export function parseCall(payload: Buffer): CallOpening | undefined {
  if (payload.length < CALL_FIXED_BYTES) return undefined;
  const headBytes = payload.readUInt32LE(4);
  const bodyAt = CALL_FIXED_BYTES + headBytes;
  if (headBytes > CALL_HEAD_BYTES_MAX || bodyAt > payload.length) return undefined;
  const head = callHeadSchema.safeParse(parseJson(payload.subarray(CALL_FIXED_BYTES, bodyAt))).data;
  return head && { invocationStream: payload.readUInt32LE(0), head, body: payload.subarray(bodyAt) };
}

/** Tells a stream's listener what its instance says; the answer is how that breaks the protocol, if it does. */
export function tellListener(
  listener: StreamListener,
  kind: number,
  payload: Buffer,
  last: boolean,
): string | undefined {
  switch (kind) {
    case FRAME.HTTP_RESPONSE:
      listener.onResponse(payload, last);
      return undefined;
    case FRAME.BODY:
      listener.onBody(payload, last);
      return undefined;
    case FRAME.TRAILERS:
      if (last || listener.onTrailers === undefined) return 'trailers where there can be none';
      listener.onTrailers(payload);
      return undefined;
    case FRAME.RESULT:
      listener.onResult(payload, last);
      return undefined;
    case FRAME.CREDIT:
      if (payload.length !== 4) return 'a CREDIT frame of the wrong size';
      listener.onCredit(payload.readUInt32LE(0));
      return undefined;
    case FRAME.FAILED: {
      const failure = parseFailure(payload);
      if (failure === undefined) return 'an unreadable FAILED frame';
      listener.onFailed(failure);
      return undefined;
    }
    default:
      return `a frame of unknown kind ${kind}`;
  }
}

/** Whether a frame of a stream is its last. */
export function isLast(kind: number, flags: number): boolean {
  return kind === FRAME.FAILED || ((flags & FLAG_FIN) !== 0 && kind !== FRAME.CREDIT);
}
