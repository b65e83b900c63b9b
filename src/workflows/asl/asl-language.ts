import { LambentError } from '../../base/errors.ts';
import { isTooDeep } from '../../base/json-depth.ts';
import type { StateLanguage, TestStateOutcome, TestStateRequest } from '../../ports/state-language.ts';
import { advance, createMachine } from './advance.ts';
import { type Program, processorOf } from './definition.ts';
import { isObject, type Json, type JsonObject } from './json-value.ts';
import type { MachineInput, MachineState, Trial } from './machine-state.ts';
import { parseDefinition } from './validate.ts';

/** Turns that a tested state may take: retries and loops within it end here. */
const TURNS_MAX = 1_000;

/** Checking and trying definitions, without an execution. */
export function createStateLanguage(now: () => number): StateLanguage {
  return {
    check: (definition, type) => parseDefinition(definition, type === 'EXPRESS').diagnostics,
    testState: (request) => testState(request, now()),
  };
}

const refuse = (message: string): LambentError => new LambentError('E_BAD_REQUEST', message);

async function testState(request: TestStateRequest, nowMs: number): Promise<TestStateOutcome> {
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
  return { ...(await runState(state, name, request, nowMs)), inspection: trial.noted };
}

async function runState(
  state: MachineState,
  name: string,
  { mock, retries }: TestStateRequest,
  nowMs: number,
): Promise<TestStateOutcome> {
  let failure: { error: string | undefined; cause: string | undefined } | undefined;
  const inputs: MachineInput[] = [{ kind: 'start' }];
  for (let turns = 0; turns < TURNS_MAX; turns += 1) {
    const input = inputs.shift();
    if (input === undefined) throw refuse(`State ${name} waits for something that a test does not do.`);
    if (input.kind === 'failed') failure = { error: input.error, cause: input.cause };
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
      else if (mock?.error !== undefined)
        inputs.push({ kind: 'failed', op, error: mock.error, cause: mock.cause });
      else if (mock?.result !== undefined)
        inputs.push({ kind: 'completed', op, output: JSON.parse(mock.result) as Json });
      else throw refuse('A test calls nothing: give what the task answers as `mock`.');
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
