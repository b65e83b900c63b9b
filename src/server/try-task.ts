import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { ExecutionId, MintUuid } from '../base/ids.ts';
import { STATES_APP } from '../aws/execution-value.ts';
import { type ExecutionRecord, RULES } from '../model/execution.ts';
import type { HttpExchange, TriedOutcome, TriedTask, TryTask } from '../ports/state-language.ts';
import type { StateServices } from '../ports/state-services.ts';
import type { CallFunction } from '../workflows/call-function.ts';
import { failureOf } from '../workflows/failures.ts';

export interface TryTaskOptions {
  readonly call: CallFunction;
  readonly services: StateServices;
  readonly clock: Clock;
  readonly mintUuid: MintUuid;
}

/** Calls what a tested state calls, as a state machine of the API would: for an execution that is in no store. */
export function createTryTask(options: TryTaskOptions): TryTask {
  return async (task) => {
    const { clock, mintUuid } = options;
    const record = standIn(mintUuid() as ExecutionId, clock.nowMs());
    const abort = new AbortController();
    const expired = Promise.withResolvers<TriedOutcome>();
    const timer = clock.after(task.timeoutMs, () => {
      abort.abort();
      expired.resolve({ status: 'expired' });
    });
    try {
      return await Promise.race([perform(options, record, task, abort.signal), expired.promise]);
    } finally {
      timer.cancel();
    }
  };
}

async function perform(
  { call, services }: TryTaskOptions,
  record: ExecutionRecord,
  task: TriedTask,
  signal: AbortSignal,
): Promise<TriedOutcome> {
  if (task.kind === 'function') {
    const name = services.functionName(record, task.nameOrArn);
    const input = { json: task.input };
    const outcome = await call({ record, function: name, input, op: 1, attempt: 1, signal });
    if (outcome.status === 'ok')
      return { status: 'ok', output: 'json' in outcome.output ? outcome.output.json : null };
    if (outcome.status === 'failed') return outcome;
    const problem = `function ${name} could not be called: ${outcome.status}`;
    return { status: 'failed', error: failureOf(new LambentError('E_OVERLOADED', problem)) };
  }
  const { service, action, parameters } = task;
  const request = { kind: 'task', service, action, parameters, name: record.id } as const;
  let exchange: HttpExchange | undefined;
  const outcome = await services.perform({
    ...{ record, op: 1, attempt: 1, request },
    origin: () => ({ depth: 1, traceparent: undefined }),
    observe: (told) => {
      exchange = told;
    },
  });
  if (outcome.status === 'ok') return { status: 'ok', output: outcome.output, exchange };
  const [errorType, errorMessage] =
    outcome.status === 'failed' ? [outcome.error, outcome.cause] : ['States.Runtime', 'Nobody waits for it.'];
  return {
    status: 'failed',
    error: { code: 'E_TASK_FAILED', errorType, errorMessage, stackTrace: [] },
    exchange,
  };
}

function standIn(id: ExecutionId, nowMs: number): ExecutionRecord {
  return {
    ...{ id, app: STATES_APP, workflow: 'test', kind: 'asl', version: '', deployment: 0, rules: RULES.asl },
    status: 'running',
    ...{ priority: 0, parent: undefined, createdMs: nowMs, endedMs: undefined, dueMs: undefined },
    ...{ expiresMs: undefined, node: undefined, entries: 0, bytes: 0 },
  };
}
