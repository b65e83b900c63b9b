import { type LambentError, toLambentError } from '../base/errors.ts';
import type { ExecutionId, InvocationId } from '../base/ids.ts';
import { EgressPolicy } from '../model/egress-policy.ts';
import { type ExecutionRecord, isFinal } from '../model/execution.ts';
import { EVERYBODY, scopeOfApp, scopeOfBus } from '../model/event-scope.ts';
import type { AppName, FunctionName } from '../model/function.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import { taskExecutionId } from '../model/workflow-wire.ts';
import type { AsyncQueue } from '../ports/async-queue.ts';
import type { EventBus } from '../ports/event-bus.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { ObjectFiles } from '../ports/object-files.ts';
import type { Secrets } from '../ports/secrets.ts';
import type { ServiceCall, ServiceOutcome, ServiceRequest, StateServices } from '../ports/state-services.ts';
import { DEFAULT_BUS } from './event-bus.ts';
import { answerOf, putEntry } from './event-entry.ts';
import type { EventRules } from './event-rules.ts';
import { STATES_APP } from './execution-value.ts';
import { type ExecutionCause, startExecution } from './executions.ts';
import { callHttp } from './http-task.ts';
import { AwsJsonError } from './json-protocol.ts';
import { readItems } from './read-items.ts';
import { executionArn } from './states-arn.ts';
import type { StatesParts } from './states-operation.ts';

/*
 * What states of Amazon States Language reach beyond functions: other executions, HTTP endpoints, objects, events.
 * Every call may be made twice (a crash between the call and its record), so those that begin something begin it
 * under a name that stays the same.
 */

export interface StateServicesParts extends StatesParts {
  readonly liveApps: LiveApps;
  readonly files: ObjectFiles;
  readonly secrets: Pick<Secrets, 'valueOf'>;
  /** What the HTTP tasks of an execution may connect to. */
  readonly network: (record: ExecutionRecord) => NetworkPolicy;
  readonly bus: EventBus;
  /** Those that clients make, besides the default one. */
  readonly buses: Pick<EventRules, 'hasBus'>;
  readonly asyncQueue: AsyncQueue;
  /** Told after each accepted asynchronous invocation. */
  onAsyncAccepted(): void;
}

export function createStateServices(parts: StateServicesParts): StateServices {
  return {
    functionName: (record, nameOrArn) => functionName(parts.liveApps, record, nameOrArn),
    async perform(call) {
      const waits = call.request.kind === 'task' && /\.sync(?::2)?$/.test(call.request.action);
      const outcome = await perform(parts, call).catch(failedOutcome);
      if (!waits || outcome.status === 'begun') return outcome;
      // It is to end by itself, so that it could not begin is told it as its end.
      await deliverFailure(parts, call, outcome);
      return { status: 'begun' };
    },
  };
}

async function deliverFailure(
  { engine }: StateServicesParts,
  { record, op }: ServiceCall,
  outcome: ServiceOutcome,
): Promise<void> {
  const [errorType, errorMessage] =
    outcome.status === 'failed'
      ? [outcome.error, outcome.cause]
      : ['States.Runtime', 'The call cannot be waited for.'];
  await engine.deliver(record.id, {
    kind: 'failed',
    op,
    error: { code: 'E_TASK_FAILED', errorType, errorMessage, stackTrace: [] },
  });
}

function failedOutcome(thrown: unknown): ServiceOutcome {
  if (thrown instanceof AwsJsonError)
    return { status: 'failed', error: `Sfn.${thrown.type}Exception`, cause: thrown.message };
  const error: LambentError = toLambentError(thrown);
  return { status: 'failed', error: 'States.TaskFailed', cause: error.message };
}

async function perform(parts: StateServicesParts, call: ServiceCall): Promise<ServiceOutcome> {
  const { request } = call;
  if (request.kind === 'read') return await readItems(parts.files, request);
  if (request.kind === 'write') return await writeObjects(parts.files, request);
  const parameters = asObject(request.parameters);
  const action = request.action.replace(/\.waitForTaskToken$/, '');
  switch (`${request.service}:${action}`) {
    case 'http:invoke':
      return await callHttp({
        policy: new EgressPolicy(parts.network(call.record)),
        clock: parts.clock,
        parameters,
        secretOf: (name) => parts.secrets.valueOf(call.record.app, name),
        observe: call.observe,
      });
    case 'lambda:invoke':
    case 'aws-sdk:lambda:invoke':
      return await invokeLater(parts, call, request.name, parameters);
    case 'events:putEvents':
    case 'aws-sdk:eventbridge:putEvents':
      return await putEvents(parts, call, parameters, request.service.startsWith('aws-sdk'));
    case 'aws-sdk:sfn:startExecution':
    case 'states:startExecution':
    case 'states:startExecution.sync':
    case 'states:startExecution.sync:2':
      return await begin(parts, call, request, parameters, action !== 'startExecution');
    default: {
      const cause = `Lambent has no service ${request.service}:${request.action}. It has lambda:invoke, states:startExecution, events:putEvents, http:invoke, the same of lambda, sfn and eventbridge as aws-sdk:, and activities.`;
      return { status: 'failed', error: 'States.Runtime', cause };
    }
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

/** An invocation that nobody waits for. Its id stays the same, so that a second attempt is the first. */
async function invokeLater(
  { liveApps, asyncQueue, clock, onAsyncAccepted }: StateServicesParts,
  { record, origin }: ServiceCall,
  id: string,
  { FunctionName: nameOrArn, Payload: payload }: Readonly<Record<string, unknown>>,
): Promise<ServiceOutcome> {
  const name = functionName(liveApps, record, String(nameOrArn ?? ''));
  const [app, called] = name.includes('/') ? name.split('/') : [record.app, name];
  if (liveApps.resolve(app as AppName, called as FunctionName) === undefined)
    return {
      status: 'failed',
      error: 'Lambda.ResourceNotFoundException',
      cause: `Function not found: ${String(nameOrArn)}`,
    };
  const { depth, traceparent } = origin();
  await asyncQueue.enqueue({
    id: id as InvocationId,
    app: app as AppName,
    function: called as FunctionName,
    payload: Buffer.from(JSON.stringify(payload ?? {})),
    traceparent,
    caller: {
      ...{ app: record.app, function: record.workflow as FunctionName, invocation: undefined },
      chain: { depth, waiting: [] },
    },
    acceptedMs: clock.nowMs(),
  });
  onAsyncAccepted();
  return { status: 'ok', output: null };
}

/**
 * Events of one call have ids that stay the same, so that those of a second attempt are the first's. Where an entry
 * fails, the task does, but not the SDK's, which answers it (as at AWS).
 */
async function putEvents(
  { bus, buses, clock }: StateServicesParts,
  { record, op, origin }: ServiceCall,
  { Entries: entries }: Readonly<Record<string, unknown>>,
  isSdk: boolean,
): Promise<ServiceOutcome> {
  const given = Array.isArray(entries) ? entries.map(asObject) : [];
  if (given.length === 0)
    return { status: 'failed', error: 'EventBridge.ValidationException', cause: 'Entries is empty.' };
  const { depth, traceparent } = origin();
  // Machines that AWS' clients made belong to no app: their events are for all, as those of PutEvents are.
  const own = record.app === STATES_APP ? EVERYBODY : scopeOfApp(record.app);
  const hasBus = (name: string): boolean => buses.hasBus(name);
  const outcomes = given.map((entry, index) => {
    const context = { id: `${record.id}-${op}-${index}`, nowMs: clock.nowMs(), hasBus };
    return putEntry(asSent(entry), context, (event, name) =>
      bus.publish([traceparent === undefined ? event : { ...event, traceparent }], {
        depth,
        scope: name === DEFAULT_BUS ? own : scopeOfBus(name),
      }),
    );
  });
  const answer = answerOf(await Promise.all(outcomes));
  return answer.FailedEntryCount === 0 || isSdk
    ? { status: 'ok', output: answer }
    : { status: 'failed', error: 'EventBridge.FailedEntry', cause: JSON.stringify(answer) };
}

/** An entry as the API takes it: in a state machine Detail may be an object, and Time is a text. */
function asSent(entry: Readonly<Record<string, unknown>>): object {
  const { Detail: detail = {}, Time: time, ...rest } = entry;
  return {
    ...rest,
    Detail: typeof detail === 'string' ? detail : JSON.stringify(detail),
    Time: typeof time === 'string' ? Date.parse(time) / 1_000 : time,
  };
}

async function begin(
  parts: StateServicesParts,
  { record, op, origin }: ServiceCall,
  { name, service }: Extract<ServiceRequest, { kind: 'task' }>,
  parameters: Readonly<Record<string, unknown>>,
  waits: boolean,
): Promise<ServiceOutcome> {
  const { StateMachineArn: arn, Name: called, Input: input } = parameters;
  const text = typeof input === 'string' ? input : JSON.stringify(input ?? {});
  const wanted = typeof called === 'string' ? called : name;
  const cause: ExecutionCause = waits
    ? { parent: { execution: record.id, op }, id: taskExecutionId(record.id, name) as ExecutionId }
    : {};
  const { value, startedMs } = await startExecution(parts, String(arn), wanted, text, {
    ...{ ...cause, origin: origin() },
  });
  if (waits) {
    await stopOrphan(parts, record, value.id);
    return { status: 'begun' };
  }
  return {
    status: 'ok',
    output: {
      ExecutionArn: executionArn(value.machine, value.name),
      // The SDK's integration writes times as texts, the optimized one as numbers.
      StartDate: service === 'aws-sdk:sfn' ? new Date(startedMs).toISOString() : startedMs,
    },
  };
}

/** Who ended before its child began told nobody. */
async function stopOrphan(
  { journal, engine }: StateServicesParts,
  { id: parent }: ExecutionRecord,
  child: ExecutionId,
): Promise<void> {
  const record = await journal.find(parent);
  if (record !== undefined && !isFinal(record.status)) return;
  await engine.deliver(child, { kind: 'cancel', reason: `execution ${parent} waits for it no longer` });
}

async function writeObjects(
  files: ObjectFiles,
  { parameters, mapRun, files: texts }: Extract<ServiceRequest, { kind: 'write' }>,
): Promise<ServiceOutcome> {
  const { Bucket: bucket, Prefix: prefix } = asObject(parameters);
  const folder = [String(prefix ?? '').replace(/\/$/, ''), mapRun.split(':').at(-1)!]
    .filter((part) => part !== '')
    .join('/');
  const lists: Record<string, unknown[]> = { SUCCEEDED: [], FAILED: [], PENDING: [] };
  for (const [name, text] of Object.entries(texts)) {
    await files.write(String(bucket), `${folder}/${name}`, text);
    lists[name.split('_')[0]!]?.push({ Key: `${folder}/${name}`, Size: Buffer.byteLength(text) });
  }
  const manifest = { DestinationBucket: String(bucket), MapRunArn: mapRun, ResultFiles: lists };
  await files.write(String(bucket), `${folder}/manifest.json`, JSON.stringify(manifest));
  const details = { Bucket: String(bucket), Key: `${folder}/manifest.json` };
  return { status: 'ok', output: { MapRunArn: mapRun, ResultWriterDetails: details } };
}

/** A name as `hello` or `app--hello`, or an ARN around one, as the engine calls it. */
function functionName(liveApps: LiveApps, record: ExecutionRecord, nameOrArn: string): string {
  const bare = nameOrArn.includes(':function:')
    ? nameOrArn.split(':function:')[1]!.split(':')[0]!
    : nameOrArn.split(':')[0]!;
  for (let cut = bare.indexOf('--'); cut > 0; cut = bare.indexOf('--', cut + 1)) {
    const [app, name] = [bare.slice(0, cut), bare.slice(cut + 2)];
    if (liveApps.resolve(app as AppName, name as FunctionName) !== undefined) return `${app}/${name}`;
  }
  // Of the app that the workflow belongs to, if it belongs to one.
  if (liveApps.find(record.app) !== undefined) return bare;
  const holder = liveApps
    .snapshot()
    .find(({ live }) => liveApps.resolve(live.app, bare as FunctionName) !== undefined);
  return holder === undefined ? bare : `${holder.live.app}/${bare}`;
}
