import type { EventHead } from '../../src/model/frames.ts';
import type { Invocation } from './invocations.ts';

export interface FunctionFacts {
  readonly app: string;
  readonly function: string;
  readonly version: string;
  readonly memoryMb: number;
  /** Invocations at the same time, where the manifest says so. */
  readonly concurrency?: number;
}

/** Receives an outcome by way of the callback or of the context's old methods; the first one counts. */
export type Settle = (error: unknown, result?: unknown) => void;

/** The context object of AWS Lambda's Node.js runtime, and `signal`, which aborts when nobody waits any more. */
export interface LambdaContext {
  functionName: string;
  functionVersion: string;
  invokedFunctionArn: string;
  memoryLimitInMB: string;
  awsRequestId: string;
  logGroupName: string;
  logStreamName: string;
  identity: undefined;
  clientContext: unknown;
  /** The function that called, if one did. */
  readonly caller: EventHead['caller'];
  /** Kept for code that sets it. Here an answer never waits for the event loop to become empty. */
  callbackWaitsForEmptyEventLoop: boolean;
  getRemainingTimeInMillis(): number;
  done: Settle;
  succeed(result?: unknown): void;
  fail(error: unknown): void;
  readonly signal: AbortSignal;
}

const { now } = Date;
let logStreamName = process.env.AWS_LAMBDA_LOG_STREAM_NAME;

function logStream(version: string): string {
  logStreamName ??= process.env.AWS_LAMBDA_LOG_STREAM_NAME;
  if (logStreamName === undefined) {
    const day = new Date(now()).toISOString().slice(0, 10).replaceAll('-', '/');
    logStreamName = `${day}/[${version}]${process.pid}`;
  }
  return logStreamName;
}

export function createLambdaContext(
  facts: FunctionFacts,
  invocation: Invocation,
  requestId: string,
  deadlineMs: number,
  event: EventHead | undefined,
  settle: Settle,
): LambdaContext {
  return {
    functionName: facts.function,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION ?? facts.version,
    invokedFunctionArn: `arn:aws:lambda:local:000000000000:function:${facts.function}`,
    memoryLimitInMB: String(facts.memoryMb),
    awsRequestId: requestId,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME ?? `/aws/lambda/${facts.function}`,
    logStreamName: logStream(facts.version),
    identity: undefined,
    clientContext: event?.clientContext,
    caller: event?.caller,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadlineMs - now()),
    done: settle,
    succeed: (result) => settle(null, result),
    fail: (error) => settle(error ?? new Error('context.fail() was called without an error')),
    get signal(): AbortSignal {
      return invocation.signal;
    },
  };
}
