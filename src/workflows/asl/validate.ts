import { isTooDeep, JSON_DEPTH_MAX } from '../../base/json-depth.ts';
import { createProgram, type Program, STATE_TYPES } from './definition.ts';
import { type Diagnostic, Findings, pointer } from './diagnostics.ts';
import { isObject, type JsonObject } from './json-value.ts';
import { validateState } from './validate-state.ts';

/** Characters of a definition (AWS' own figure: 1 MB), and how deep its flows may lie within each other. */
export const DEFINITION_CHARACTERS_MAX = 1_048_576;
const FLOW_DEPTH_MAX = 20;

export type ParsedDefinition =
  | { readonly program: Program; readonly diagnostics: readonly Diagnostic[] }
  | { readonly program: undefined; readonly diagnostics: readonly Diagnostic[] };

/**
 * Faults that a definition can run with. Nothing new is made of one that has them; an execution that began before they
 * were looked for goes on.
 */
const RUNS_ALL_THE_SAME: ReadonlySet<string> = new Set([
  'MISSING_END_STATE',
  'INVALID_LABEL_NAME',
  'DUPLICATE_LABEL_NAME',
]);

/** Reads the text of a definition: a program, if it can run at all, and what is wrong with it. */
export function parseDefinition(text: string, isExpress = false): ParsedDefinition {
  const findings = new Findings(isExpress);
  const definition = readJson(text, findings);
  if (definition !== undefined) validateMachine(definition, findings);
  const fatal = findings.list.some(
    ({ severity, code }) => severity === 'ERROR' && !RUNS_ALL_THE_SAME.has(code),
  );
  const program = definition === undefined || fatal ? undefined : createProgram(definition);
  return { program, diagnostics: findings.list };
}

function readJson(text: string, findings: Findings): JsonObject | undefined {
  const fault = (message: string): undefined => {
    findings.error('/', message, 'INVALID_JSON_DESCRIPTION');
    return undefined;
  };
  if (text.trim() === '') {
    findings.error('/', 'There is no definition.', 'MISSING_DESCRIPTION');
    return undefined;
  }
  if (text.length > DEFINITION_CHARACTERS_MAX) {
    return fault(`The definition is over ${DEFINITION_CHARACTERS_MAX} characters.`);
  }
  if (isTooDeep(text)) return fault(`The definition nests deeper than ${JSON_DEPTH_MAX}.`);
  try {
    const json: unknown = JSON.parse(text);
    return isObject(json) ? json : fault('The definition is not a JSON object.');
  } catch (thrown) {
    return fault(`The definition is not JSON: ${(thrown as Error).message}`);
  }
}

const MACHINE_FIELDS = new Set([
  'Comment',
  'QueryLanguage',
  'StartAt',
  'States',
  'TimeoutSeconds',
  'Version',
]);
const BRANCH_FIELDS = new Set(['Comment', 'QueryLanguage', 'StartAt', 'States']);
const PROCESSOR_FIELDS = new Set(['Comment', 'ProcessorConfig', 'StartAt', 'States']);

function validateMachine(definition: JsonObject, findings: Findings): void {
  const { TimeoutSeconds: timeout, Version: version } = definition;
  if (timeout !== undefined && !(Number.isInteger(timeout) && (timeout as number) >= 1)) {
    findings.error('/TimeoutSeconds', 'TimeoutSeconds is a positive integer.');
  }
  if (version !== undefined && version !== '1.0') findings.error('/Version', 'Version is "1.0".');
  validateFlow(definition, '', MACHINE_FIELDS, definition.QueryLanguage === 'JSONata', findings, 0);
}

function validateFlow(
  flow: unknown,
  at: string,
  fields: ReadonlySet<string>,
  outerJsonata: boolean,
  findings: Findings,
  depth: number,
): void {
  if (!isObject(flow)) {
    findings.error(at || '/', 'A JSON object with StartAt and States is expected.');
    return;
  }
  if (depth > FLOW_DEPTH_MAX) {
    findings.error(at, `Flows lie more than ${FLOW_DEPTH_MAX} deep within each other.`, 'TOO_DEEPLY_NESTED');
    return;
  }
  for (const name of Object.keys(flow)) {
    if (!fields.has(name)) findings.error(pointer(at, name), `Field "${name}" is not supported here.`);
  }
  const language = flow.QueryLanguage;
  if (language !== undefined && language !== 'JSONPath' && language !== 'JSONata') {
    findings.error(pointer(at, 'QueryLanguage'), 'QueryLanguage is "JSONPath" or "JSONata".');
  }
  const jsonata = language === undefined ? outerJsonata : language === 'JSONata';
  if (typeof flow.StartAt !== 'string')
    findings.error(pointer(at, 'StartAt'), 'StartAt names the first state.');
  if (!isObject(flow.States) || Object.keys(flow.States).length === 0) {
    findings.error(pointer(at, 'States'), 'States is a JSON object with at least one state.');
    return;
  }
  validateStates(flow, flow.States, at, jsonata, findings, depth);
}

function validateStates(
  flow: JsonObject,
  states: JsonObject,
  at: string,
  jsonata: boolean,
  findings: Findings,
  depth: number,
): void {
  const targets = new Set<string>();
  const follow = (target: unknown, location: string): void => {
    if (typeof target !== 'string') return;
    targets.add(target);
    if (Object.hasOwn(states, target)) return;
    findings.error(location, `There is no state "${target}" to go to.`, 'MISSING_TRANSITION_TARGET');
  };
  follow(flow.StartAt, pointer(at, 'StartAt'));
  for (const [name, state] of Object.entries(states)) {
    const here = pointer(pointer(at, 'States'), name);
    validateName(name, here, findings);
    if (!isObject(state) || !STATE_TYPES.includes(state.Type as never)) {
      findings.error(
        isObject(state) ? `${here}/Type` : here,
        `A state has a Type, one of ${STATE_TYPES.join(', ')}.`,
      );
      continue;
    }
    validateState(state, here, jsonata, findings, {
      follow: (target, location) => follow(target === name ? undefined : target, location),
      // The language that a state around them says is its own alone.
      flow: (inner, location, isProcessor) =>
        validateFlow(
          inner,
          location,
          isProcessor ? PROCESSOR_FIELDS : BRANCH_FIELDS,
          jsonata,
          findings,
          depth + 1,
        ),
    });
  }
  const terminal = Object.values(states).some(
    (state) => isObject(state) && (state.End === true || state.Type === 'Succeed' || state.Type === 'Fail'),
  );
  if (!terminal) {
    findings.error(
      pointer(at, 'States'),
      'No state ends the flow: one has End, or is of Type Succeed or Fail.',
      'MISSING_END_STATE',
    );
  }
  for (const name of Object.keys(states)) {
    if (targets.has(name)) continue;
    const here = pointer(pointer(at, 'States'), name);
    findings.error(here, `State "${name}" is not reachable.`, 'MISSING_TRANSITION_TARGET');
  }
}

function validateName(name: string, here: string, findings: Findings): void {
  if (name.length < 1 || name.length > 80)
    findings.error(here, 'The name of a state has 1 to 80 characters.', 'INVALID_STATE_NAME');
  if (findings.stateNames.has(name)) {
    findings.error(
      here,
      `The name "${name}" is taken by ${findings.stateNames.get(name)}.`,
      'DUPLICATE_STATE_NAME',
    );
  } else findings.stateNames.set(name, here);
}
