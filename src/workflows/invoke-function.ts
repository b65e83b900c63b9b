import { LambentError } from '../base/errors.ts';
import type { InvocationId, MintUuid } from '../base/ids.ts';
import type { AppName, FunctionName, FunctionVersion } from '../model/function.ts';
import { EVENT_BYTES_MAX, type Invoker } from '../ports/invoker.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { WorkflowCatalog } from '../ports/workflow-catalog.ts';
import type { CallFunction, FunctionCall } from './call-function.ts';
import { depthOf, traceparentOf } from './execution-origin.ts';
import { failureOf } from './failures.ts';

export interface InvokeFunctionOptions {
  readonly invoker: Invoker;
  readonly liveApps: LiveApps;
  readonly catalog: WorkflowCatalog;
  readonly mintUuid: MintUuid;
}

const NO_ROOM: ReadonlySet<string> = new Set(['E_CONCURRENCY_LIMIT', 'E_OVERLOADED', 'E_START_FAILED']);

/** Calls functions for executions: those of the execution's own deployment, so that it stays on what it began with. */
export function createFunctionInvoker({
  invoker,
  liveApps,
  catalog,
  mintUuid,
}: InvokeFunctionOptions): CallFunction {
  const resolve = async (
    call: FunctionCall,
  ): Promise<{ version: FunctionVersion; deployment: number } | undefined> => {
    const { app, deployment } = call.record;
    const slash = call.function.indexOf('/');
    if (slash >= 0)
      return liveApps.resolve(
        call.function.slice(0, slash) as AppName,
        call.function.slice(slash + 1) as FunctionName,
      );
    const own = catalog.known(app, deployment) ?? (await catalog.deployment(app, deployment));
    const version = own?.function(call.function);
    return version === undefined ? undefined : { version, deployment };
  };
  return async (call) => {
    const { app, deployment } = call.record;
    const resolved = await resolve(call);
    if (resolved === undefined || resolved.version.config.workflow === true) {
      const what = resolved === undefined ? 'no function' : 'a workflow, not a function,';
      const where = call.function.includes('/')
        ? 'among the live apps'
        : `in deployment ${deployment} of app ${app}`;
      const error = new LambentError('E_NOT_FOUND', `there is ${what} named ${call.function} ${where}`);
      return { status: 'failed', error: failureOf(error), retryable: false };
    }
    const payload = 'json' in call.input ? Buffer.from(JSON.stringify(call.input.json)) : undefined;
    const bytes = payload?.length ?? ('bytes' in call.input ? call.input.bytes : 0);
    if (payload === undefined || bytes > EVENT_BYTES_MAX) {
      const message = `the input of ${call.function} has ${bytes} bytes as JSON; a function takes at most ${EVENT_BYTES_MAX}`;
      const error = new LambentError('E_PAYLOAD_TOO_LARGE', message);
      return { status: 'failed', error: failureOf(error), retryable: false };
    }
    const outcome = await invoker.invoke({
      id: mintUuid() as InvocationId,
      ...resolved,
      trigger: 'invoke',
      payload,
      traceparent: traceparentOf(call.record, call.op, call.attempt),
      clientContext: undefined,
      via: { kind: 'function', name: `${app}/${call.record.workflow}` },
      attempt: call.attempt,
      depth: depthOf(call.record),
      signal: call.signal,
    });
    if (outcome.status === 'ok') {
      const text = outcome.payload.toString('utf8');
      return { status: 'ok', output: { json: text === '' ? null : (JSON.parse(text) as unknown) } };
    }
    const { error, retryable } = outcome;
    if (error.code === 'E_SHUTTING_DOWN') return { status: 'stopping' };
    if (NO_ROOM.has(error.code)) return { status: 'throttled' };
    return { status: 'failed', error: { ...error, stackTrace: error.stackTrace.slice(0, 20) }, retryable };
  };
}
