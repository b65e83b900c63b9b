import { type Findings, pointer, type Surroundings } from './diagnostics.ts';
import { isObject, type Json, type JsonObject } from './json-value.ts';
import { validateChoices } from './validate-choice.ts';
import { checkAssign, FIELDS, type FieldCheck } from './validate-fields.ts';
import { validateMap } from './validate-map.ts';
import { checkReads } from './validate-reads.ts';

const ANY = ['Type', 'Comment', 'QueryLanguage'];
const GOING = ['Next', 'End'];
const PATHS = ['InputPath', 'OutputPath'];
const RESULTS = ['Parameters', 'ResultPath'];
const FAILING = ['Retry', 'Catch'];

/** Fields by type of state: in both languages, in JSONPath, in JSONata. */
const ALLOWED: Readonly<Record<string, readonly [both: string[], path: string[], query: string[]]>> = {
  Pass: [[...GOING, 'Assign'], [...PATHS, ...RESULTS, 'Result'], ['Output']],
  Task: [
    [...GOING, ...FAILING, 'Assign', 'Resource', 'TimeoutSeconds', 'HeartbeatSeconds', 'Credentials'],
    [...PATHS, ...RESULTS, 'ResultSelector', 'TimeoutSecondsPath', 'HeartbeatSecondsPath'],
    ['Arguments', 'Output'],
  ],
  Choice: [['Choices', 'Default', 'Assign'], PATHS, ['Output']],
  Wait: [
    [...GOING, 'Assign', 'Seconds', 'Timestamp'],
    [...PATHS, 'SecondsPath', 'TimestampPath'],
    ['Output'],
  ],
  Succeed: [[], PATHS, ['Output']],
  Fail: [['Error', 'Cause'], ['ErrorPath', 'CausePath'], []],
  Parallel: [
    [...GOING, ...FAILING, 'Assign', 'Branches'],
    [...PATHS, ...RESULTS, 'ResultSelector'],
    ['Arguments', 'Output'],
  ],
  Map: [
    [
      ...GOING,
      ...FAILING,
      ...['Assign', 'ItemProcessor', 'Iterator', 'ItemReader', 'ItemSelector', 'ItemBatcher', 'ResultWriter'],
      ...['MaxConcurrency', 'ToleratedFailureCount', 'ToleratedFailurePercentage', 'Label'],
    ],
    [
      ...PATHS,
      ...RESULTS,
      ...['ItemsPath', 'MaxConcurrencyPath', 'ToleratedFailureCountPath', 'ToleratedFailurePercentagePath'],
      'ResultSelector',
    ],
    ['Items', 'Output'],
  ],
};

/** Groups of which a state has at most one. */
const EXCLUSIVE = [
  ['Next', 'End'],
  ['Error', 'ErrorPath'],
  ['Cause', 'CausePath'],
  ['TimeoutSeconds', 'TimeoutSecondsPath'],
  ['HeartbeatSeconds', 'HeartbeatSecondsPath'],
  ['Seconds', 'SecondsPath', 'Timestamp', 'TimestampPath'],
  ['MaxConcurrency', 'MaxConcurrencyPath'],
  ['ToleratedFailureCount', 'ToleratedFailureCountPath'],
  ['ToleratedFailurePercentage', 'ToleratedFailurePercentagePath'],
  ['ItemProcessor', 'Iterator'],
  ['ItemSelector', 'Parameters'],
];
/** Groups of which a state of a type has at least one. */
const REQUIRED: Readonly<Record<string, readonly string[][]>> = {
  Pass: [GOING],
  Task: [GOING, ['Resource']],
  Choice: [['Choices']],
  Wait: [GOING, ['Seconds', 'SecondsPath', 'Timestamp', 'TimestampPath']],
  Parallel: [GOING, ['Branches']],
  Map: [GOING, ['ItemProcessor', 'Iterator']],
};

export function validateState(
  state: JsonObject,
  here: string,
  outerJsonata: boolean,
  findings: Findings,
  around: Surroundings,
): void {
  const type = state.Type as string;
  const jsonata = languageOf(state, here, outerJsonata, findings);
  const [both, path, query] = ALLOWED[type]!;
  const allowed = new Set([...ANY, ...both, ...(jsonata ? query : path)]);
  for (const [name, value] of Object.entries(state)) {
    const at = pointer(here, name);
    if (allowed.has(name)) checkField(name, value, at, jsonata, type, findings);
    else if (path.includes(name)) findings.error(at, `Field "${name}" is not supported in a JSONata state.`);
    else if (query.includes(name))
      findings.error(at, `Field "${name}" is only supported in a JSONata state.`);
    else findings.error(at, `Field "${name}" is not supported in a ${type} state.`);
  }
  checkGroups(state, here, findings);
  if (type === 'Choice') validateChoices(state, here, jsonata, findings, around);
  if (type === 'Parallel') validateBranches(state, here, findings, around);
  if (type === 'Map') validateMap(state, here, jsonata, findings, around);
  around.follow(state.Next, pointer(here, 'Next'));
  validateRetry(state.Retry, pointer(here, 'Retry'), findings);
  validateCatch(state.Catch, pointer(here, 'Catch'), jsonata, findings, around);
  checkTimes(state, here, findings);
  if (jsonata) checkReads(state, here, findings);
}

function languageOf(state: JsonObject, here: string, outer: boolean, findings: Findings): boolean {
  const language = state.QueryLanguage;
  if (language === undefined) return outer;
  if (language !== 'JSONata' && language !== 'JSONPath') {
    findings.error(pointer(here, 'QueryLanguage'), 'QueryLanguage is "JSONPath" or "JSONata".');
  } else if (language === 'JSONPath' && outer) {
    findings.error(
      pointer(here, 'QueryLanguage'),
      'A state of a JSONata state machine cannot go back to JSONPath.',
    );
  }
  return language === 'JSONata';
}

function checkField(
  name: string,
  value: Json,
  at: string,
  jsonata: boolean,
  type: string,
  findings: Findings,
): void {
  if (name === 'Assign') {
    checkAssign(value, at, jsonata, findings);
    return;
  }
  const check: FieldCheck | undefined = FIELDS[name];
  if (check !== undefined) check(value, at, jsonata, findings, type);
}

function checkGroups(state: JsonObject, here: string, findings: Findings): void {
  for (const group of EXCLUSIVE) {
    const given = group.filter((name) => state[name] !== undefined);
    if (given.length > 1)
      findings.error(pointer(here, given[1]!), `Only one of ${given.join(', ')} can be given.`);
  }
  for (const group of REQUIRED[state.Type as string] ?? []) {
    if (group.some((name) => state[name] !== undefined)) continue;
    findings.error(
      here,
      `${group.length > 1 ? 'One of ' : ''}${group.join(', ')} is required in a ${state.Type} state.`,
    );
  }
}

function checkTimes(state: JsonObject, here: string, findings: Findings): void {
  const { TimeoutSeconds: timeout, HeartbeatSeconds: heartbeat } = state;
  if (typeof timeout !== 'number' || typeof heartbeat !== 'number' || heartbeat < timeout) return;
  findings.error(pointer(here, 'HeartbeatSeconds'), 'HeartbeatSeconds is less than TimeoutSeconds.');
}

function validateBranches(state: JsonObject, here: string, findings: Findings, around: Surroundings): void {
  const at = pointer(here, 'Branches');
  if (!Array.isArray(state.Branches)) {
    if (state.Branches !== undefined) findings.error(at, 'Branches is a list.');
    return;
  }
  if (state.Branches.length === 0) findings.error(at, 'Branches has at least one branch.');
  for (const [index, branch] of state.Branches.entries()) {
    around.flow(branch, pointer(at, index), false);
  }
}

const RETRY_FIELDS = new Set([
  'Comment',
  'ErrorEquals',
  'IntervalSeconds',
  'MaxAttempts',
  'BackoffRate',
  'MaxDelaySeconds',
  'JitterStrategy',
]);

function validateRetry(retry: Json | undefined, at: string, findings: Findings): void {
  for (const [entry, here] of entriesOf(retry, at, 'Retry', RETRY_FIELDS, findings)) {
    const whole = (name: string, min: number, max: number): void => {
      const value = entry[name];
      if (
        value === undefined ||
        (Number.isInteger(value) && (value as number) >= min && (value as number) <= max)
      )
        return;
      findings.error(pointer(here, name), `${name} is an integer from ${min} to ${max}.`);
    };
    whole('IntervalSeconds', 1, 99_999_999);
    whole('MaxAttempts', 0, 99_999_999);
    whole('MaxDelaySeconds', 1, 31_622_400);
    const { BackoffRate: rate, JitterStrategy: jitter } = entry;
    if (rate !== undefined && !(typeof rate === 'number' && rate >= 1)) {
      findings.error(pointer(here, 'BackoffRate'), 'BackoffRate is a number from 1.');
    }
    if (jitter !== undefined && jitter !== 'FULL' && jitter !== 'NONE') {
      findings.error(pointer(here, 'JitterStrategy'), 'JitterStrategy is "FULL" or "NONE".');
    }
  }
}

function validateCatch(
  catchers: Json | undefined,
  at: string,
  jsonata: boolean,
  findings: Findings,
  around: Surroundings,
): void {
  const fields = new Set(['Comment', 'ErrorEquals', 'Next', 'Assign', jsonata ? 'Output' : 'ResultPath']);
  for (const [entry, here] of entriesOf(catchers, at, 'Catch', fields, findings)) {
    if (typeof entry.Next !== 'string') findings.error(pointer(here, 'Next'), 'Next names a state.');
    around.follow(entry.Next, pointer(here, 'Next'));
    for (const name of ['ResultPath', 'Output', 'Assign']) {
      const value = entry[name];
      if (value !== undefined && fields.has(name))
        checkField(name, value, pointer(here, name), jsonata, 'Task', findings);
    }
  }
}

/** The entries of Retry or Catch that are objects, with their places. */
function entriesOf(
  list: Json | undefined,
  at: string,
  name: string,
  fields: ReadonlySet<string>,
  findings: Findings,
): [JsonObject, string][] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) {
    findings.error(at, `${name} is a list.`);
    return [];
  }
  return list.flatMap((entry, index): [JsonObject, string][] => {
    const here = pointer(at, index);
    if (!isObject(entry)) {
      findings.error(here, `An entry of ${name} is a JSON object.`);
      return [];
    }
    for (const field of Object.keys(entry)) {
      if (!fields.has(field))
        findings.error(pointer(here, field), `Field "${field}" is not supported in ${name}.`);
    }
    validateErrorEquals(entry.ErrorEquals, pointer(here, 'ErrorEquals'), index === list.length - 1, findings);
    return [[entry, here]];
  });
}

function validateErrorEquals(names: Json | undefined, at: string, last: boolean, findings: Findings): void {
  if (!Array.isArray(names) || names.length === 0 || names.some((name) => typeof name !== 'string')) {
    findings.error(at, 'ErrorEquals is a list of at least one error name.');
    return;
  }
  if (!names.includes('States.ALL')) return;
  if (names.length > 1) findings.error(at, 'States.ALL stands alone in ErrorEquals.');
  if (!last) findings.error(at, 'States.ALL is in the last entry.');
}
