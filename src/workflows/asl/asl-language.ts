import { LambentError } from '../../base/errors.ts';
import { isTooDeep } from '../../base/json-depth.ts';
import type {
  HttpExchange,
  StateLanguage,
  TestStateOutcome,
  TestStateRequest,
  TriedTask,
  TryTask,
} from '../../ports/state-language.ts';
import { advance, createMachine } from './advance.ts';
import { type Program, processorOf } from './definition.ts';
import { isObject, type Json, type JsonObject } from './json-value.ts';
import type { Command, MachineInput, MachineState, Trial, Work } from './machine-state.ts';
import { completedInput, failedInput, functionCall } from './task-outcome.ts';
import { parseDefinition } from './validate.ts';

/** Turns that a tested state may take: retries and loops within it end here. */
const TURNS_MAX = 1_000;

/** Longest that a task of a tested state may take (AWS' own figure). */
const TASK_MS_MAX = 300_000;

/** Checking and trying definitions, without an execution. `tryTask`: absent where nothing is to be tried. */
export function createStateLanguage(now: () => number, tryTask?: TryTask): StateLanguage {
  return {
    check: (definition, type) => parseDefinition(definition, type === 'EXPRESS').diagnostics,
    testState: (request) => testState(request, now, tryTask),
  };
}

const refuse = (message: string): LambentError => new LambentError('E_BAD_REQUEST', message);

async function testState(
  request: TestStateRequest,
  now: () => number,
  tryTask: TryTask | undefined,
): Promise<TestStateOutcome> {
  const { name, program } = programOfOne(request);
  const input = JSON.parse(request.input) as Json;
  const variables = JSON.parse(request.variables) as Json;
  const context = JSON.parse(request.context) as Json;
  if (!isObject(variables) || !isObject(context)) throw refuse('variables and context are JSON objects.');
  const facts = {
    id: 'arn:aws:states:us-east-1:000000000000:express:test:test',
    name: 'test',
    runId: 'test',
    roleArn: '',
    stateMachineId: 'arn:aws:states:us-east-1:000000000000:stateMachine:test',
    stateMachineName: 'test',
    inputText: request.input,
  };
  const trial: Trial = { state: name, context, noted: {} };
  const state = createMachine(program, facts, input, 'test', (op) => `token-${op}`, variables, { trial });
  const world = new TriedWorld(name, request.mock, tryTask);
  const outcome = await runState(state, name, request.retries, now, world);
  return { ...outcome, inspection: trial.noted, exchange: world.exchange };
}

/** What a tested state meets: what is given in place of it, or the thing itself. */
class TriedWorld {
  readonly #state: string;
  readonly #mock: TestStateRequest['mock'];
  readonly #tryTask: TryTask | undefined;
  exchange: HttpExchange | undefined;

  constructor(state: string, mock: TestStateRequest['mock'], tryTask: TryTask | undefined) {
    this.#state = state;
    this.#mock = mock;
    this.#tryTask = tryTask;
  }

  async answer({ op, work, dueInMs }: Opened, atMs: number): Promise<MachineInput> {
    const mock = this.#mock;
    if (mock?.error !== undefined) return { kind: 'failed', op, error: mock.error, cause: mock.cause };
    if (mock?.result !== undefined) return { kind: 'completed', op, output: JSON.parse(mock.result) as Json };
    const task = triedTask(work, Math.min(dueInMs ?? TASK_MS_MAX, TASK_MS_MAX));
    if (task === undefined || this.#tryTask === undefined)
      throw refuse(
        `State ${this.#state} waits for something that a test does not do: give what it answers as \`mock\`.`,
      );
    const outcome = await this.#tryTask(task);
    if (outcome.status === 'expired') return { kind: 'expired', op };
    this.exchange = outcome.exchange;
    const open = { work, openedMs: atMs, name: 'test' };
    if (outcome.status === 'failed') return failedInput(op, open, outcome.error, atMs);
    return completedInput(op, open, outcome.output as Json, atMs);
  }
}

type Opened = Extract<Command, { kind: 'open' }>;

/** `undefined`: it waits for somebody else, or is no task. */
function triedTask(work: Work, timeoutMs: number): TriedTask | undefined {
  const call = functionCall(work);
  if (work.kind !== 'task' || work.resource.kind === 'activity') return undefined;
  if (work.resource.kind === 'service' && work.resource.pattern !== 'request') return undefined;
  if (call !== undefined) return { kind: 'function', timeoutMs, nameOrArn: call.name, input: call.input };
  if (work.resource.kind !== 'service') return undefined;
  const { service, action } = work.resource;
  return { kind: 'service', timeoutMs, service, action, parameters: work.input };
}

async function runState(
  state: MachineState,
  name: string,
  retries: number,
  now: () => number,
  world: TriedWorld,
): Promise<TestStateOutcome> {
  let failure: { error: string | undefined; cause: string | undefined } | undefined;
  const inputs: MachineInput[] = [{ kind: 'start' }];
  for (let turns = 0; turns < TURNS_MAX; turns += 1) {
    const input = inputs.shift();
    if (input === undefined) throw refuse(`State ${name} waits for something that a test does not do.`);
    if (input.kind === 'failed') failure = { error: input.error, cause: input.cause };
    const nowMs = now();
    const { commands, history, more } = await advance(state, input, nowMs);
    if (input.kind === 'start' && retries > 0) useUpRetries(state, retries);
    const exited = history.find(
      ({ stateExitedEventDetails: details }) => (details as { name?: string } | undefined)?.name === name,
    );
    const finish = commands.find((command) => command.kind === 'finish');
    if (exited !== undefined)
      return left(state, exited.stateExitedEventDetails as ExitedDetails, history, failure);
    if (finish !== undefined) return result({ status: 'FAILED', error: finish.error, cause: finish.cause });
    for (const command of commands) {
      if (command.kind !== 'open') continue;
      const { op, work } = command;
      if (work.kind === 'sleep' && work.name === 'retry') return result({ status: 'RETRIABLE', ...failure });
      if (work.kind === 'sleep') inputs.push({ kind: 'completed', op, output: null });
      else inputs.push(await world.answer(command, nowMs));
    }
    if (more) inputs.unshift({ kind: 'continue' });
  }
  throw refuse(`State ${name} did not end within ${TURNS_MAX} turns.`);
}

function useUpRetries({ root }: MachineState, used: number): void {
  if (root === undefined) return;
  const { Retry: retriers } = root.node.definition;
  if (Array.isArray(retriers)) root.retries = retriers.map(() => used);
  root.retryCount = used;
}

interface ExitedDetails {
  readonly output: string;
}

function left(
  state: MachineState,
  { output }: ExitedDetails,
  history: readonly { readonly type: string; readonly [name: string]: unknown }[],
  failure: { error: string | undefined; cause: string | undefined } | undefined,
): TestStateOutcome {
  const entered = history.findLast(({ stateEnteredEventDetails }) => stateEnteredEventDetails !== undefined);
  const next = (entered?.stateEnteredEventDetails as { name: string } | undefined)?.name;
  const variables = JSON.stringify(state.root?.variables ?? {});
  const status = failure === undefined ? 'SUCCEEDED' : 'CAUGHT_ERROR';
  const goesOn = entered !== undefined && state.root?.node.name === next ? next : undefined;
  return result({ status, output, nextState: goesOn, variables, ...failure });
}

function result(known: Partial<TestStateOutcome> & Pick<TestStateOutcome, 'status'>): TestStateOutcome {
  return {
    output: undefined,
    error: undefined,
    cause: undefined,
    nextState: undefined,
    variables: undefined,
    inspection: {},
    exchange: undefined,
    ...known,
  };
}

/** A machine of the one state, in which all states that it leads to end at once. */
function programOfOne({ definition, stateName }: TestStateRequest): { name: string; program: Program } {
  if (isTooDeep(definition)) throw refuse('The definition nests too deep.');
  let json: unknown;
  try {
    json = JSON.parse(definition);
  } catch (thrown) {
    throw refuse(`The definition is not JSON: ${(thrown as Error).message}`);
  }
  if (!isObject(json)) throw refuse('The definition is a JSON object.');
  const state = stateName === undefined ? json : findState(json, stateName);
  if (state === undefined) throw refuse(`The definition has no state ${stateName}.`);
  const name = stateName ?? 'State';
  const States: JsonObject = {};
  for (const target of targetsOf(state)) States[target] = { Type: 'Succeed' };
  States[name] = state;
  const { QueryLanguage } = json;
  const one = {
    StartAt: name,
    States,
    ...(QueryLanguage !== undefined && stateName !== undefined && { QueryLanguage }),
  };
  const { program, diagnostics } = parseDefinition(JSON.stringify(one));
  if (program !== undefined) return { name, program };
  const [first] = diagnostics;
  throw new LambentError(
    'E_BAD_REQUEST',
    `Invalid State Machine Definition: ${first?.code}: ${first?.message} at ${first?.location}`,
  );
}

function findState(flow: JsonObject, name: string): JsonObject | undefined {
  const states = isObject(flow.States) ? flow.States : {};
  if (Object.hasOwn(states, name) && isObject(states[name])) return states[name];
  for (const state of Object.values(states)) {
    if (!isObject(state)) continue;
    const inner = Array.isArray(state.Branches) ? state.Branches : [processorOf(state)];
    for (const branch of inner) {
      const found = isObject(branch) ? findState(branch, name) : undefined;
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function targetsOf(state: JsonObject): string[] {
  const rules = [state.Choices, state.Catch].flatMap((list) => (Array.isArray(list) ? list : []));
  const named = [state.Next, state.Default, ...rules.map((rule) => (isObject(rule) ? rule.Next : undefined))];
  return named.filter((target) => typeof target === 'string');
}
