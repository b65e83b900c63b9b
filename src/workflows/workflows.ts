import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { type ErrorCode, LambentError } from '../base/errors.ts';
import type { ExecutionId, MintUuid } from '../base/ids.ts';
import { nearestOf } from '../base/nearest.ts';
import type { Random } from '../base/random.ts';
import { type ExecutionInput, type ExecutionRecord, isFinal } from '../model/execution.ts';
import type { AppName } from '../model/function.ts';
import type { Failure, Outcome, Payload } from '../model/journal.ts';
import { INLINE_PAYLOAD_BYTES_MAX } from '../model/journal.ts';
import type { PayloadStore } from '../ports/payload-store.ts';
import type { Awaiting, JournalStore, NewExecution } from '../ports/journal-store.ts';
import type { WorkflowCatalog, WorkflowTarget } from '../ports/workflow-catalog.ts';
import type { WorkflowProgram } from '../ports/workflow-program.ts';
import {
  type CallbackAnswer,
  LargeInput,
  type StartedExecution,
  type StartOptions,
  type StartRequest,
  type Workflows,
} from '../ports/workflows.ts';
import { callbackKey, findCallback, parseCallbackToken } from './callback-token.ts';
import type { WorkflowEngine } from './engine.ts';
import { graphOfCode, graphOfMachine } from './execution-graph.ts';
import { createExecutionSteps } from './execution-steps.ts';
import { failure } from './failures.ts';
import { createReplay } from './replay-execution.ts';
import { createRetry } from './retry-execution.ts';
import { createTakeIn } from './take-in.ts';
import { mintSeed } from './transition.ts';
import { workflowGraph } from './workflow-graph.ts';

/** How often a result that may come about on another node is looked for. */
const LOOK_MS = 1_000;

export interface WorkflowsOptions {
  readonly engine: WorkflowEngine;
  readonly store: JournalStore;
  readonly payloads: PayloadStore;
  readonly catalog: WorkflowCatalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly mintUuid: MintUuid;
  /** What an execution of a state machine runs, as JSON text. */
  definitionOf(record: ExecutionRecord): Promise<string | undefined>;
  /** The definition of an app's workflow, as JSON text. */
  deployedDefinition(target: WorkflowTarget): Promise<string | undefined>;
  /** What runs durable code; without it nothing can be replayed. */
  readonly code: WorkflowProgram | undefined;
}

export function createWorkflows(options: WorkflowsOptions): Workflows {
  const { engine, store, clock } = options;
  const start = createStarter(options);
  const deliver = async (id: ExecutionId, input: ExecutionInput): Promise<void> => {
    const outcome = await engine.deliver(id, input);
    if (outcome.status === 'unknown') throw new LambentError('E_NOT_FOUND', `there is no execution ${id}`);
    if (outcome.status === 'ended')
      throw new LambentError('E_EXECUTION_ENDED', `execution ${id} has ended (${outcome.as})`);
    if (outcome.status === 'full')
      throw new LambentError('E_OVERLOADED', `execution ${id} has more inputs waiting than it may`);
  };
  return {
    start,
    result: createResult(options),
    signal: (id, name, input) =>
      deliver(id, { kind: 'signal', name, input: payloadOf(input, `the input of signal ${name}`) }),
    async update(id, name, input, waitMs) {
      const update = options.mintUuid();
      const answer = new Promise<{ output: Payload } | { error: Failure }>((resolve, reject) => {
        const forget = engine.onAnswer(update, resolve);
        clock.after(waitMs, () => {
          forget();
          reject(new LambentError('E_TIMEOUT', `execution ${id} did not answer update ${name} in time`));
        });
      });
      answer.catch(() => {});
      await deliver(id, {
        kind: 'signal',
        name,
        input: inlineOf(input, `the input of update ${name}`),
        update,
      });
      return valueOrThrow(await answer);
    },
    async query(id, name, input) {
      const answer = await engine.query(id, name, inlineOf(input, `the input of query ${name}`));
      if (answer === undefined) throw new LambentError('E_NOT_FOUND', `there is no execution ${id}`);
      return valueOrThrow(answer);
    },
    cancel: (id, reason, force) => deliver(id, { kind: 'cancel', reason, ...(force ? { force } : {}) }),
    retry: createRetry(options, start),
    replay: createReplay(options),
    takeIn: createTakeIn(options.payloads),
    payload: createPayloadReads(options),
    ...createAnswering(options),
    ...createStepReads(options),
    graph: async (app, workflow) => await workflowGraph(options, mustBeLive(options.catalog, app, workflow)),
    find: (id) => store.find(id),
    history: (id, from, limit) => store.history(id, from, limit),
    list: (query) => store.list(query),
  };
}

function createStarter({ engine, catalog, clock, random, mintUuid }: WorkflowsOptions) {
  return async ({ app, workflow, input, options }: StartRequest): Promise<StartedExecution> => {
    const target = mustBeLive(catalog, app, workflow);
    const what = `the input of workflow ${workflow}`;
    const payload = target.kind === 'asl' ? inlineOf(input, what) : payloadOf(input, what);
    const nowMs = clock.nowMs();
    const execution: NewExecution = {
      ...target,
      id: mintUuid() as ExecutionId,
      entries: [{ kind: 'started', atMs: nowMs, input: payload, seed: mintSeed(random) }],
      priority: options.priority ?? 0,
      parent: undefined,
      origin: options.origin,
      expiresMs: options.timeoutMs === undefined ? undefined : nowMs + options.timeoutMs,
      ...startLimits(options, payload, nowMs),
    };
    const outcome = await engine.create(execution, nowMs);
    if (outcome.status === 'exists' && !outcome.sameInput)
      throw new LambentError(
        'E_IDEMPOTENCY_CONFLICT',
        `the key ${options.key} started execution ${outcome.id} of ${workflow} with another input`,
        { details: { execution: outcome.id } },
      );
    return { id: outcome.id, isNew: outcome.status === 'created' };
  };
}

function startLimits(
  { key, delayMs, concurrency, rate, debounce }: StartOptions,
  input: Payload,
  nowMs: number,
) {
  return {
    ...(key === undefined ? {} : { idempotency: { key, fingerprint: fingerprintOf(input) } }),
    ...(delayMs === undefined ? {} : { notBeforeMs: nowMs + delayMs }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(rate === undefined ? {} : { rate }),
    ...(debounce === undefined ? {} : { debounce }),
  };
}

function mustBeLive(catalog: WorkflowCatalog, app: AppName, workflow: string): WorkflowTarget {
  const target = catalog.live(app, workflow);
  if (target !== undefined) return target;
  const names = catalog.names(app);
  const nearest = nearestOf(workflow, names);
  const hint =
    nearest !== undefined
      ? `Did you mean \`${nearest}\`?`
      : names.length === 0
        ? 'Put a file into `workflows/`, or name workflows in lambent.yaml.'
        : `It has: ${names.slice(0, 20).join(', ')}.`;
  throw new LambentError('E_NOT_FOUND', `app ${app} has no live workflow named ${workflow}`, { hint });
}

function createResult({ engine, store, clock }: WorkflowsOptions) {
  return async (id: ExecutionId, waitMs: number): Promise<Outcome | undefined> => {
    const deadlineMs = clock.monotonicMs() + waitMs;
    let wanted = id;
    for (;;) {
      // Listened for before it is looked for, here and in the store: an end between the two is not missed.
      const waiter = engine.whenEnded(wanted);
      try {
        const outcome = engine.holds(wanted) ? undefined : await storedOutcome(store, wanted);
        if (outcome?.status === 'continued') {
          wanted = outcome.execution as ExecutionId;
          continue;
        }
        const leftMs = deadlineMs - clock.monotonicMs();
        if (outcome !== undefined || leftMs <= 0) return outcome;
        const found = await within(clock, waiter.outcome, Math.min(leftMs, LOOK_MS));
        if (found !== undefined) return found;
      } finally {
        waiter.forget();
      }
    }
  };
}

async function storedOutcome(store: JournalStore, id: ExecutionId): Promise<Outcome | undefined> {
  const record = await mustFind(store, id);
  if (!isFinal(record.status)) return undefined;
  const last = (await store.history(id, record.entries - 1, 1))[0];
  return last?.kind === 'ended' ? last.outcome : undefined;
}

function within<Value>(clock: Clock, promise: Promise<Value>, limitMs: number): Promise<Value | undefined> {
  return new Promise((resolve) => {
    const timer = clock.after(limitMs, () => resolve(undefined));
    promise.then((value) => {
      timer.cancel();
      resolve(value);
    });
  });
}

function createAnswering({
  engine,
  store,
  clock,
}: WorkflowsOptions): Pick<Workflows, 'answer' | 'answerOperation'> {
  const isLargeOf = async (execution: ExecutionId, output: unknown): Promise<boolean> =>
    output instanceof LargeInput && (await mustFind(store, execution)).kind === 'asl';
  const expired = (what: string) =>
    new LambentError('E_CALLBACK_EXPIRED', `nobody waits for an answer to ${what}`);
  const settle = async (
    { execution, op }: Pick<Awaiting, 'execution' | 'op'>,
    answer: CallbackAnswer,
    what: string,
  ): Promise<void> => {
    if (answer.status === 'heartbeat') await engine.deliver(execution, { kind: 'heartbeat', op });
    else {
      const toPayload =
        answer.status === 'succeeded' && (await isLargeOf(execution, answer.output)) ? inlineOf : payloadOf;
      const input: ExecutionInput =
        answer.status === 'succeeded'
          ? { kind: 'completed', op, output: toPayload(answer.output, 'the answer') }
          : { kind: 'failed', op, error: failure('E_FUNCTION_ERROR', answer.message, answer.error) };
      if (!(await store.settleAwaiting(execution, op, input, clock.nowMs()))) throw expired(what);
    }
    engine.poke(execution);
  };
  return {
    async answer(text, read) {
      if (parseCallbackToken(text) === undefined)
        throw new LambentError('E_BAD_REQUEST', 'this is not a token of a callback', {
          hint: 'Send the token as `ctx.callback()` gave it.',
        });
      const awaiting = await findCallback(store, text);
      if (awaiting === undefined) throw expired('this token');
      await settle(awaiting, await read(), 'this token');
    },
    async answerOperation(execution, op, answer) {
      await mustFind(store, execution);
      const what = `operation ${op} of execution ${execution}`;
      const [awaiting] = await store.findAwaiting(callbackKey({ execution, op }), 1);
      if (awaiting === undefined) throw expired(what);
      await settle(awaiting, answer, what);
    },
  };
}

function createStepReads({
  store,
  definitionOf,
}: WorkflowsOptions): Pick<Workflows, 'steps' | 'step' | 'definition' | 'executionGraph'> {
  const steps = createExecutionSteps(store);
  const read = async (record: ExecutionRecord): Promise<string | undefined> =>
    record.kind === 'asl' ? await definitionOf(record) : undefined;
  return {
    definition: async (id) => await read(await mustFind(store, id)),
    async executionGraph(id, chosen) {
      const record = await mustFind(store, id);
      const [all, definition] = await Promise.all([steps.all(record), read(record)]);
      const outcome = isFinal(record.status) ? record.status : undefined;
      return definition === undefined
        ? graphOfCode(all, outcome, chosen)
        : graphOfMachine(JSON.parse(definition) as object, all, outcome, chosen);
    },
    steps: async (id, from, limit) => await steps.page(await mustFind(store, id), from, limit),
    async step(id, step) {
      const found = await steps.find(await mustFind(store, id), step);
      if (found === undefined) throw new LambentError('E_NOT_FOUND', `execution ${id} has no step ${step}`);
      return found;
    },
  };
}

async function mustFind(store: JournalStore, id: ExecutionId): Promise<ExecutionRecord> {
  const record = await store.find(id);
  if (record === undefined) throw new LambentError('E_NOT_FOUND', `there is no execution ${id}`);
  return record;
}

/** Of what the execution names, or what it went on as. */
function createPayloadReads({ store, payloads }: WorkflowsOptions): Workflows['payload'] {
  return async (id, blob, from) => {
    for (let wanted = id; ; ) {
      const record = await mustFind(store, wanted);
      if (await store.refersTo(wanted, blob)) return payloads.read(blob, from);
      const last = (await store.history(wanted, record.entries - 1, 1))[0];
      if (last?.kind !== 'ended' || last.outcome.status !== 'continued') return undefined;
      wanted = last.outcome.execution as ExecutionId;
    }
  };
}

/** Of what goes to a state machine, or to whoever asked. */
function inlineOf(value: unknown, what: string): Payload {
  if (value instanceof LargeInput)
    throw new LambentError(
      'E_PAYLOAD_TOO_LARGE',
      `${what} has ${value.payload.bytes} bytes as JSON; at most ${INLINE_PAYLOAD_BYTES_MAX} are allowed`,
    );
  return payloadOf(value, what);
}

function payloadOf(value: unknown, what: string): Payload {
  if (value instanceof LargeInput) return value.payload;
  const text = JSON.stringify(value ?? null);
  if (text.length > INLINE_PAYLOAD_BYTES_MAX || Buffer.byteLength(text) > INLINE_PAYLOAD_BYTES_MAX)
    throw new LambentError(
      'E_PAYLOAD_TOO_LARGE',
      `${what} has more than ${INLINE_PAYLOAD_BYTES_MAX} bytes as JSON`,
    );
  return { json: value ?? null };
}

function fingerprintOf(input: Payload): string {
  return createHash('sha256').update(JSON.stringify(input)).digest('hex');
}

/** The code's own errors keep their text; what they are called has no place in the platform's table. */
function valueOrThrow(result: { output: Payload } | { error: Failure }): unknown {
  if ('output' in result) return 'json' in result.output ? result.output.json : null;
  const { code, errorType, errorMessage } = result.error;
  const known: ErrorCode = code === 'E_NOT_FOUND' ? 'E_NOT_FOUND' : 'E_FUNCTION_ERROR';
  throw new LambentError(known, known === code ? errorMessage : `${errorType}: ${errorMessage}`);
}
