import assert from 'node:assert/strict';
import type { Clock } from '../../base/clock.ts';
import { LambentError, toLambentError } from '../../base/errors.ts';
import type { ExecutionOrigin, ExecutionRecord } from '../../model/execution.ts';
import type { Failure, JournalEntry, Outcome, Task } from '../../model/journal.ts';
import type { ActivityBell } from '../../ports/activity-bell.ts';
import type { ServiceRequest, StateServices } from '../../ports/state-services.ts';
import type {
  Offer,
  ProgramAct,
  ProgramSession,
  QueryOutcome,
  SessionHost,
} from '../../ports/workflow-program.ts';
import { originBelow } from '../execution-origin.ts';
import { failure, failureOf } from '../failures.ts';
import { advance } from './advance.ts';
import type { Program } from './definition.ts';
import type { Json } from './json-value.ts';
import type { Command, ExecutionFacts, MachineInput, MachineState, Work } from './machine-state.ts';
import { noteOf, noteText } from './note.ts';
import { machineOf, OpenWorks, replay } from './replay.ts';
import { completedInput, failedInput, functionCall, type OpenWork } from './task-outcome.ts';

/** What an execution runs and is called. */
export interface AslExecution {
  /** The text of the definition. */
  readonly definition: string;
  readonly facts: Omit<ExecutionFacts, 'runId'>;
}

export interface AslProgramOptions {
  /** `input` is what the execution began with. `undefined`: it is not there any more. */
  readonly find: (record: ExecutionRecord, input: unknown) => Promise<AslExecution | undefined>;
  readonly services: StateServices;
  readonly bell: ActivityBell;
  readonly clock: Clock;
}

/** Steps have no retries of their own: Retry is the machine's. */
const ONCE = { attemptsMax: 1, firstMs: 0, factor: 1, maxMs: 0, jitter: false };

/** One execution while it is hot: takes in one thing after the other. */
export class AslSession implements ProgramSession {
  readonly #record: ExecutionRecord;
  readonly #host: SessionHost;
  readonly #options: AslProgramOptions;
  #state: MachineState | undefined;
  #works = new OpenWorks('');
  /** Operations whose effect this session carries out. */
  readonly #owned = new Set<number>();
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(record: ExecutionRecord, host: SessionHost, options: AslProgramOptions) {
    this.#record = record;
    this.#host = host;
    this.#options = options;
  }

  /** Runs a task behind those that wait. */
  enqueue(
    task: () => Promise<void>,
    onError: (thrown: unknown) => void = (thrown) => this.#broke(thrown),
  ): void {
    this.#queue = this.#queue.then(async () => {
      if (this.#closed) return;
      try {
        await task();
      } catch (thrown) {
        onError(thrown);
      }
    });
  }

  /** Feeds the machine with the journal again, then goes on. */
  async begin(program: Program, facts: ExecutionFacts, history: readonly JournalEntry[]): Promise<void> {
    const { state, seed, startedMs } = machineOf(program, facts, history);
    this.#state = state;
    this.#works = new OpenWorks(seed);
    const replayed = await replay(state, history, this.#works);
    if (this.#closed) return;
    if (!replayed) return await this.#take({ kind: 'start' }, startedMs);
    // Its journal has no end, so somebody wants it to go on.
    if (this.#state.status !== 'running')
      return await this.#take({ kind: 'redrive' }, this.#options.clock.nowMs());
    if (this.#state.ready.length > 0)
      return await this.#take({ kind: 'continue' }, this.#options.clock.nowMs());
    this.#host.submit({ acts: [], bytes: 0 });
    for (const [op, { work }] of this.#works) if (begunElsewhere(work)) this.#perform(op, 1);
  }

  offer(offers: readonly Offer[]): void {
    for (const offer of offers) this.enqueue(() => this.#takeOffer(offer));
  }

  async #takeOffer({ offer, input, atMs }: Offer): Promise<void> {
    const took: ProgramAct = { kind: 'took', offer };
    switch (input.kind) {
      case 'completed': {
        const output = 'json' in input.output ? (input.output.json as Json) : null;
        return await this.#take(
          completedInput(input.op, this.#works.get(input.op), output, atMs),
          atMs,
          took,
        );
      }
      case 'failed':
        return await this.#take(
          failedInput(input.op, this.#works.get(input.op), input.error, atMs),
          atMs,
          took,
        );
      case 'cancel':
        return await this.#take({ kind: 'stop', ...stopReason(input.reason) }, atMs, took);
      case 'signal':
        return await this.#takeSignal(
          input.name,
          'json' in input.input ? input.input.json : null,
          atMs,
          took,
        );
      case 'attempt':
        this.#host.submit({ acts: [took], bytes: 0 });
        this.#perform(input.op, input.attempt);
        return;
      default:
        this.#host.submit({ acts: [took], bytes: 0 });
    }
  }

  async #takeSignal(name: string, value: unknown, atMs: number, took: ProgramAct): Promise<void> {
    const input = toldBySignal(name, value);
    if (input === undefined) this.#host.submit({ acts: [took], bytes: 0 });
    else await this.#take(input, atMs, took);
  }

  /** One thing taken in: one transition, or a few where the machine stops halfway. */
  async #take(input: MachineInput, atMs: number, ...before: readonly ProgramAct[]): Promise<void> {
    const state = this.#state!;
    const out = await advance(state, input, atMs);
    if (this.#closed) return;
    const note = noteOf(state, input, atMs, out.history);
    const acts: ProgramAct[] = [...before];
    for (const command of out.commands) if (command.kind !== 'finish') acts.push(this.#act(command));
    acts.push({ kind: 'note', note });
    const end = out.commands.find((command) => command.kind === 'finish');
    if (end !== undefined) acts.push({ kind: 'end', outcome: outcomeOf(end) });
    this.#works.remember(input, out.commands, atMs);
    this.#host.submit({ acts, bytes: noteText(note) });
    if (out.more) this.enqueue(() => this.#take({ kind: 'continue' }, this.#options.clock.nowMs()));
  }

  #act(command: Exclude<Command, { kind: 'finish' }>): ProgramAct {
    if (command.kind === 'close') return { kind: 'close', op: command.op };
    const { op, work, dueInMs, dueMs } = command;
    return {
      kind: 'open',
      op,
      task: this.#task(work),
      ...(dueInMs !== undefined && { dueInMs }),
      ...(dueMs !== undefined && { dueMs }),
    };
  }

  #task(work: Work): Task {
    if (work.kind === 'sleep') return { kind: 'sleep', name: work.name.slice(0, 256) };
    if (work.kind === 'token') return { kind: 'callback', name: work.name, token: '' };
    const call = functionCall(work);
    if (call !== undefined) {
      const name = this.#options.services.functionName(this.#record, call.name);
      return { kind: 'call', function: name.slice(0, 200) || '?', input: { json: call.input } };
    }
    if (work.kind === 'task' && (work.resource.kind === 'activity' || begunElsewhere(work))) {
      return { kind: 'resource', resource: work.resource.arn, input: { json: work.input } };
    }
    const name = work.kind === 'task' ? work.resource.arn : work.resource;
    return { kind: 'step', name: name.slice(-256) || work.kind, retry: ONCE };
  }

  /** What this session carries out itself begins when it is durable that it does. */
  committed(entries: readonly JournalEntry[]): void {
    for (const entry of entries) {
      if (entry.kind !== 'opened') continue;
      const work = this.#works.get(entry.op)?.work;
      if (work === undefined) continue;
      if (entry.task.kind === 'step' || begunElsewhere(work)) this.#perform(entry.op, 1);
      else if (entry.task.kind === 'resource') this.#options.bell.ring(entry.task.resource);
    }
  }

  /** Performs a call of a service, then tells the machine. */
  #perform(op: number, attempt: number): void {
    const open = this.#works.get(op);
    if (open === undefined || this.#owned.has(op)) return;
    this.#owned.add(op);
    const request = requestOf(open);
    const origin = (): ExecutionOrigin => originBelow(this.#record);
    const call = { record: this.#record, op, attempt, request, origin };
    void this.#options.services.perform(call).then((outcome) => {
      this.#owned.delete(op);
      this.enqueue(async () => {
        // The machine may have given it up meanwhile.
        if (!this.#works.has(op)) return;
        const atMs = this.#options.clock.nowMs();
        if (outcome.status === 'failed') {
          const error = failure('E_TASK_FAILED', outcome.cause, outcome.error);
          this.#host.submit({ acts: [{ kind: 'fail', op, error, retryable: false }], bytes: 0 });
        } else if (outcome.status === 'ok') {
          const output = outcome.output as Json;
          const complete: ProgramAct = { kind: 'complete', op, output: { json: output }, atMs };
          await this.#take(completedInput(op, open, output, atMs), atMs, complete);
        }
      });
    });
  }

  query(): Promise<QueryOutcome> {
    return Promise.resolve({
      error: failureOf(new LambentError('E_NOT_FOUND', 'a state machine has no queries')),
    });
  }

  close(): void {
    this.#closed = true;
  }

  /** A defect of the machine: the execution fails with it rather than being taken up forever. */
  #broke(thrown: unknown): void {
    if (!this.#closed) this.#host.lost(failureOf(toLambentError(thrown)), false);
  }
}

/** What the API tells a machine by signals. Whoever sends signals may send such ones as well: the values are parsed. */
function toldBySignal(name: string, value: unknown): MachineInput | undefined {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (name === 'asl:taken') {
    const { op, worker } = given;
    if (typeof op !== 'number') return undefined;
    return { kind: 'taken', op, worker: typeof worker === 'string' ? worker : undefined };
  }
  if (name !== 'asl:mapRun' || typeof given.name !== 'string') return undefined;
  const limits = (['concurrency', 'toleratedCount', 'toleratedPercentage'] as const).flatMap((field) => {
    const limit = given[field];
    return typeof limit === 'number' && limit >= 0 ? [[field, limit] as const] : [];
  });
  return { kind: 'mapRun', name: given.name, ...Object.fromEntries(limits) };
}

/** A child execution that is waited for: it is begun from here, and its end comes through the engine. */
function begunElsewhere(work: Work): boolean {
  return work.kind === 'task' && work.resource.kind === 'service' && work.resource.pattern.startsWith('sync');
}

function requestOf({ work, name }: OpenWork): ServiceRequest {
  if (work.kind === 'read') {
    const { resource, parameters, config } = work;
    return { kind: 'read', resource, parameters, config };
  }
  if (work.kind === 'write') {
    const { mapRun, files } = work.files as unknown as { mapRun: string; files: Record<string, string> };
    return { kind: 'write', resource: work.resource, parameters: work.parameters, mapRun, files };
  }
  assert.ok(work.kind === 'task' && work.resource.kind === 'service', 'only services are performed');
  const { service, action } = work.resource;
  return { kind: 'task', service, action, parameters: work.input, name };
}

function outcomeOf(end: Extract<Command, { kind: 'finish' }>): Outcome {
  const { status, output, error, cause } = end;
  if (status === 'succeeded') return { status, output: { json: output } };
  const failed: Failure = {
    code: 'E_WORKFLOW_FAILED',
    errorType: error ?? '',
    errorMessage: cause ?? '',
    stackTrace: [],
  };
  if (status === 'aborted')
    return { status: 'cancelled', error: { ...failed, code: 'E_EXECUTION_CANCELLED' } };
  return { status, error: failed };
}

/** StopExecution's error and cause, or what somebody else gave as the reason. */
function stopReason(reason: string): { error: string | undefined; cause: string | undefined } {
  try {
    const { error, cause } = JSON.parse(reason) as { error?: string; cause?: string };
    return { error, cause };
  } catch {
    return { error: undefined, cause: reason };
  }
}
