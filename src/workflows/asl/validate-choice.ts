import { COMPARISONS } from './choice-rule.ts';
import { type Findings, pointer, type Surroundings } from './diagnostics.ts';
import { isObject, type Json, type JsonObject } from './json-value.ts';
import { isExpression } from './jsonata-expression.ts';
import { parseTimestamp } from './timestamp.ts';
import { checkAssign, checkPath, checkQuery } from './validate-fields.ts';

export function validateChoices(
  state: JsonObject,
  here: string,
  jsonata: boolean,
  findings: Findings,
  around: Surroundings,
): void {
  if (state.Default !== undefined && typeof state.Default !== 'string')
    findings.error(pointer(here, 'Default'), 'Default names a state.');
  around.follow(state.Default, pointer(here, 'Default'));
  const at = pointer(here, 'Choices');
  if (!Array.isArray(state.Choices) || state.Choices.length === 0) {
    if (state.Choices !== undefined) findings.error(at, 'Choices is a list of at least one rule.');
    return;
  }
  for (const [index, rule] of state.Choices.entries()) {
    const place = pointer(at, index);
    if (!isObject(rule)) {
      findings.error(place, 'A rule is a JSON object.');
      continue;
    }
    if (typeof rule.Next !== 'string') findings.error(pointer(place, 'Next'), 'Next names a state.');
    around.follow(rule.Next, pointer(place, 'Next'));
    if (rule.Assign !== undefined) checkAssign(rule.Assign, pointer(place, 'Assign'), jsonata, findings);
    if (jsonata) validateCondition(rule, place, findings);
    else validateRule(rule, place, true, findings);
  }
}

const CONDITION_FIELDS = new Set(['Condition', 'Next', 'Assign', 'Output', 'Comment']);

function validateCondition(rule: JsonObject, at: string, findings: Findings): void {
  for (const name of Object.keys(rule)) {
    if (!CONDITION_FIELDS.has(name))
      findings.error(pointer(at, name), `Field "${name}" is not supported in a JSONata rule.`);
  }
  const { Condition: condition, Output: output } = rule;
  if (typeof condition !== 'boolean' && !isExpression(condition)) {
    findings.error(pointer(at, 'Condition'), 'Condition is true, false or a JSONata expression.');
  } else checkQuery(condition, pointer(at, 'Condition'), findings);
  if (output !== undefined) checkQuery(output, pointer(at, 'Output'), findings);
}

/** A rule in JSONPath: one comparison, or rules joined by And, Or, Not. Only the outermost leads somewhere. */
function validateRule(rule: Json, at: string, outermost: boolean, findings: Findings): void {
  if (!isObject(rule)) {
    findings.error(at, 'A rule is a JSON object.');
    return;
  }
  const around = new Set(outermost ? ['Next', 'Assign', 'Comment'] : ['Comment']);
  const names = Object.keys(rule).filter((name) => !around.has(name));
  const joiner = names.find((name) => name === 'And' || name === 'Or' || name === 'Not');
  if (joiner !== undefined) {
    validateJoined(rule, joiner, names, at, findings);
    return;
  }
  const tests = names.filter((name) => name !== 'Variable');
  if (rule.Variable === undefined)
    findings.error(pointer(at, 'Variable'), 'Variable is a path to what is compared.');
  else checkPath(rule.Variable, pointer(at, 'Variable'), findings);
  if (tests.length !== 1) {
    findings.error(at, `A rule has one comparison; this has ${tests.length}.`);
    return;
  }
  const test = tests[0]!;
  const comparison = Object.hasOwn(COMPARISONS, test) ? COMPARISONS[test] : undefined;
  const operand = rule[test]!;
  if (comparison === undefined) findings.error(pointer(at, test), `There is no comparison "${test}".`);
  else if (comparison.byPath) checkPath(operand, pointer(at, test), findings);
  else if (typeof operand !== comparison.operand) {
    findings.error(pointer(at, test), `${test} compares with a ${comparison.operand}.`);
  } else if (test.startsWith('Timestamp') && !isTime(operand as string)) {
    findings.error(pointer(at, test), `${test} compares with an RFC 3339 time such as 2026-03-14T01:59:00Z.`);
  }
}

/** A time, or what CloudFormation will put one in place of. */
function isTime(text: string): boolean {
  return text.includes('${') || parseTimestamp(text) !== undefined;
}

function validateJoined(
  rule: JsonObject,
  joiner: string,
  names: string[],
  at: string,
  findings: Findings,
): void {
  if (names.length > 1) findings.error(at, `${joiner} stands alone in a rule.`);
  const inner = rule[joiner]!;
  const place = pointer(at, joiner);
  if (joiner === 'Not') {
    validateRule(inner, place, false, findings);
    return;
  }
  if (!Array.isArray(inner) || inner.length === 0) {
    findings.error(place, `${joiner} is a list of at least one rule.`);
    return;
  }
  for (const [index, part] of inner.entries()) validateRule(part, pointer(place, index), false, findings);
}
