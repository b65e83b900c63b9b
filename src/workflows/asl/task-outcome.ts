import type { Failure } from '../../model/journal.ts';
import { isObject, type Json, type JsonObject } from './json-value.ts';
import type { MachineInput, Work } from './machine-state.ts';

/* What comes of an operation, in the words of Step Functions. */

/** What an open operation is about. */
export interface OpenWork {
  readonly work: Work;
  /** The machine's time when it opened it. */
  readonly openedMs: number;
  /** What an execution that it begins is called, when its parameters do not say. */
  readonly name: string;
}

export function completedInput(
  op: number,
  open: OpenWork | undefined,
  output: Json,
  atMs: number,
): MachineInput {
  return { kind: 'completed', op, output: open === undefined ? output : wrapOutput(open, output, atMs) };
}

/** What integrations answer around the result itself. */
function wrapOutput(open: OpenWork, output: Json, atMs: number): Json {
  const { work } = open;
  if (work.kind === 'read') return { ...(output as JsonObject), config: work.config };
  if (work.kind !== 'task' || work.resource.kind !== 'service') return output;
  const { service, pattern } = work.resource;
  if (service === SDK_LAMBDA) return sdkAnswer(JSON.stringify(output), isAsynchronous(work));
  if (service === 'lambda') {
    if (isAsynchronous(work))
      return { Payload: '', SdkHttpMetadata: { HttpStatusCode: 202 }, StatusCode: 202 };
    return {
      ExecutedVersion: '$LATEST',
      Payload: output,
      SdkHttpMetadata: { HttpStatusCode: 200 },
      StatusCode: 200,
    };
  }
  if (service !== 'states' || (pattern !== 'sync' && pattern !== 'sync:2')) return output;
  const shown = pattern === 'sync' ? JSON.stringify(output) : output;
  return { ...describeChild(open, 'SUCCEEDED', atMs), Output: shown, OutputDetails: { Included: true } };
}

const SDK_LAMBDA = 'aws-sdk:lambda';

/** Lambda's Invoke as the SDK answers: what the function answered is a text, and a function that fails is an answer. */
function sdkAnswer(payload: string, accepted: boolean): JsonObject {
  if (accepted) return { Payload: '', StatusCode: 202 };
  return { ExecutedVersion: '$LATEST', Payload: payload, StatusCode: 200 };
}

/** A child execution as DescribeExecution has it. */
function describeChild({ work, openedMs, name }: OpenWork, status: string, atMs: number): JsonObject {
  const parameters = work.kind === 'task' && isObject(work.input) ? work.input : {};
  const machine = String(parameters.StateMachineArn ?? '');
  const called = typeof parameters.Name === 'string' ? parameters.Name : name;
  const input = parameters.Input ?? {};
  return {
    ExecutionArn: `${machine.replace(':stateMachine:', ':execution:')}:${called}`,
    Input:
      work.kind === 'task' && work.resource.kind === 'service' && work.resource.pattern === 'sync'
        ? JSON.stringify(input)
        : input,
    InputDetails: { Included: true },
    Name: called,
    StartDate: openedMs,
    StateMachineArn: machine,
    Status: status,
    StopDate: atMs,
  };
}

/** AWS' names for what its sandbox, rather than the code, reports, and for a function that is not there. */
const FUNCTION_ERRORS: Readonly<Record<string, string>> = {
  E_FUNCTION_TIMEOUT: 'Sandbox.Timedout',
  E_OUT_OF_MEMORY: 'Runtime.OutOfMemory',
  E_FUNCTION_EXITED: 'Runtime.ExitError',
  E_HANDLER_MISSING: 'Runtime.HandlerNotFound',
  E_FUNCTION_NOT_FOUND: 'Lambda.ResourceNotFoundException',
  E_NOT_FOUND: 'Lambda.ResourceNotFoundException',
};

export function failedInput(
  op: number,
  open: OpenWork | undefined,
  failure: Failure,
  atMs: number,
): MachineInput {
  const { code, errorType, errorMessage, stackTrace } = failure;
  if (code === 'E_TIMEOUT' && errorType === 'TimeoutError') return { kind: 'expired', op };
  const cause = errorMessage === '' ? undefined : errorMessage;
  const work = open?.work;
  const plain: MachineInput = { kind: 'failed', op, error: errorType, cause };
  if (open === undefined || work?.kind !== 'task') return plain;
  if (work.resource.kind === 'service' && work.resource.service === 'states' && code !== 'E_TASK_FAILED') {
    const child = {
      ...describeChild(open, 'FAILED', atMs),
      Error: errorType,
      ...(cause !== undefined && { Cause: cause }),
    };
    return { kind: 'failed', op, error: 'States.TaskFailed', cause: JSON.stringify(child) };
  }
  if (!callsFunction(work)) return plain;
  const known = FUNCTION_ERRORS[code];
  if (known !== undefined) return { kind: 'failed', op, error: known, cause };
  // The error as a function's own runtime writes it.
  const written = { errorMessage, errorType, trace: [...stackTrace] };
  if (work.resource.kind === 'service' && work.resource.service === SDK_LAMBDA) {
    const output = { ...sdkAnswer(JSON.stringify(written), false), FunctionError: 'Unhandled' };
    return { kind: 'completed', op, output };
  }
  return { kind: 'failed', op, error: errorType, cause: JSON.stringify(written) };
}

function callsFunction({ resource }: Extract<Work, { kind: 'task' }>): boolean {
  if (resource.kind === 'lambda') return true;
  if (resource.kind !== 'service') return false;
  return resource.service === 'lambda' || (resource.service === SDK_LAMBDA && resource.action === 'invoke');
}

/** `lambda:invoke` with `InvocationType: Event`: it is done when the invocation is accepted. */
function isAsynchronous(work: Extract<Work, { kind: 'task' }>): boolean {
  return work.resource.kind === 'service' && isObject(work.input) && work.input.InvocationType === 'Event';
}

function jsonOf(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** The function that a task calls and what it gets; `undefined`: it calls none. */
export function functionCall(work: Work): { name: string; input: Json } | undefined {
  if (work.kind !== 'task' || !callsFunction(work) || isAsynchronous(work)) return undefined;
  if (work.resource.kind === 'lambda') return { name: work.resource.arn, input: work.input };
  const { FunctionName: name, Payload: payload } = (isObject(work.input) ? work.input : {}) as JsonObject;
  const input = payload ?? {};
  // The SDK's Payload is a text of JSON.
  const isText = work.resource.kind === 'service' && work.resource.service === SDK_LAMBDA;
  return { name: String(name ?? ''), input: isText && typeof input === 'string' ? jsonOf(input) : input };
}
