import type { Json, JsonObject } from './json-value.ts';

/** The kinds of state there are. */
export const STATE_TYPES = ['Pass', 'Task', 'Choice', 'Wait', 'Succeed', 'Fail', 'Parallel', 'Map'] as const;
export type StateType = (typeof STATE_TYPES)[number];

/** A state as its author wrote it. Valid: `validate.ts` has seen it, so readers need not check what they take. */
export interface StateDefinition extends JsonObject {
  Type: StateType;
}

/** States that lead to one another: the machine itself, a branch of a Parallel, the processor of a Map. */
export interface Flow {
  /** Where it is: empty for the machine, `/Each/0` for the first flow within the state Each. */
  readonly key: string;
  readonly startAt: string;
  readonly states: ReadonlyMap<string, StateNode>;
}

export interface StateNode {
  readonly name: string;
  readonly type: StateType;
  /** Whether its fields are written in JSONata; JSONPath otherwise. What it says itself does not hold for states within. */
  readonly jsonata: boolean;
  readonly definition: StateDefinition;
  /** Keys of the flows within it. */
  readonly flows: readonly string[];
}

/** A valid definition, ready to run. */
export interface Program {
  readonly definition: JsonObject;
  readonly flows: ReadonlyMap<string, Flow>;
  /** Of the whole execution; `undefined`: none. */
  readonly timeoutSeconds: number | undefined;
}

/** The flow that a Map runs for each item, under its present and its former name. */
export function processorOf(state: JsonObject): JsonObject {
  return (state.ItemProcessor ?? state.Iterator) as JsonObject;
}

export function isDistributed(state: JsonObject): boolean {
  const config = processorOf(state).ProcessorConfig as JsonObject | undefined;
  return config?.Mode === 'DISTRIBUTED';
}

/** Prepares a definition that has been found valid. */
export function createProgram(definition: JsonObject): Program {
  const flows = new Map<string, Flow>();
  addFlow(flows, '', definition, definition.QueryLanguage === 'JSONata');
  const timeout = definition.TimeoutSeconds;
  return { definition, flows, timeoutSeconds: typeof timeout === 'number' ? timeout : undefined };
}

function addFlow(flows: Map<string, Flow>, key: string, definition: JsonObject, jsonata: boolean): void {
  const states = new Map<string, StateNode>();
  flows.set(key, { key, startAt: definition.StartAt as string, states });
  const inner = definition.QueryLanguage === undefined ? jsonata : definition.QueryLanguage === 'JSONata';
  for (const [name, json] of Object.entries(definition.States as Record<string, Json>)) {
    const state = json as StateDefinition;
    const own = state.QueryLanguage === undefined ? inner : state.QueryLanguage === 'JSONata';
    const within =
      state.Type === 'Parallel'
        ? (state.Branches as JsonObject[])
        : state.Type === 'Map'
          ? [processorOf(state)]
          : [];
    const keys = within.map((_flow, index) => `${key}/${name}/${index}`);
    states.set(name, { name, type: state.Type, jsonata: own, definition: state, flows: keys });
    for (const [index, flow] of within.entries()) addFlow(flows, keys[index]!, flow, inner);
  }
}
