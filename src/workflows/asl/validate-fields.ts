import { type Findings, pointer } from './diagnostics.ts';
import { isIntrinsic, parseIntrinsic } from './intrinsic.ts';
import { parsePath } from './json-path.ts';
import { isObject, type Json } from './json-value.ts';
import { expressionOf, expressionProblem, isExpression } from './jsonata-expression.ts';
import { missingService, waitsForOthers } from './task-resource.ts';
import { PathSyntaxError } from './text-reader.ts';
import { parseTimestamp } from './timestamp.ts';

export type FieldCheck = (
  value: Json,
  at: string,
  jsonata: boolean,
  findings: Findings,
  type: string,
) => void;

/** Longest error name and cause (AWS' own figures are smaller than what it takes; these bound what is stored). */
const SECONDS_MAX = 99_999_999;

/** A path, or a call of an intrinsic function where one is allowed; says why not otherwise. */
export function checkPath(
  value: Json,
  at: string,
  findings: Findings,
  options: { intrinsic?: boolean; reference?: boolean } = {},
): void {
  if (typeof value !== 'string') {
    findings.error(at, 'A path is a text that begins with $.');
    return;
  }
  try {
    if (options.intrinsic === true && isIntrinsic(value)) {
      parseIntrinsic(value);
      return;
    }
    const path = parsePath(value);
    const reference =
      path.root === '$' && path.definite && path.steps.every((step) => step.kind !== 'function');
    if (options.reference === true && !reference) {
      findings.error(
        at,
        `"${value}" is not a reference path: names and indices after $ only.`,
        'INVALID_JSONPATH',
      );
    }
  } catch (thrown) {
    if (!(thrown instanceof PathSyntaxError)) throw thrown;
    findings.error(
      at,
      `Not a path${options.intrinsic === true ? ' or a call' : ''}: ${thrown.message}`,
      'INVALID_JSONPATH',
    );
  }
}

/** Whether a text would be a path or a call, were it in a field for one. */
function looksEvaluated(text: string): boolean {
  if (!/^(?:\$\$?[.[]|States\.\w+\()/.test(text)) return false;
  try {
    if (isIntrinsic(text)) parseIntrinsic(text);
    else parsePath(text);
    return true;
  } catch {
    return false;
  }
}

/** A template in which fields ending in `.$` are paths or calls. */
export function checkTemplate(value: Json, at: string, findings: Findings): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkTemplate(item, pointer(at, index), findings);
  } else if (isObject(value)) {
    for (const [name, field] of Object.entries(value)) {
      const here = pointer(at, name);
      if (!name.endsWith('.$')) {
        if (typeof field === 'string' && looksEvaluated(field)) {
          findings.warning(
            here,
            `"${name}" is this text as it stands: a path or a call is evaluated in a field "${name}.$".`,
            'NO_DOLLAR',
          );
        }
        checkTemplate(field, here, findings);
        continue;
      }
      if (Object.hasOwn(value, name.slice(0, -2))) {
        findings.error(here, `"${name}" and "${name.slice(0, -2)}" are the same field.`);
      }
      checkPath(field, here, findings, { intrinsic: true });
    }
  }
}

function hasEvaluatedField(value: Json): boolean {
  if (Array.isArray(value)) return value.some(hasEvaluatedField);
  if (!isObject(value)) return false;
  return Object.entries(value).some(
    ([name, field]) =>
      (name.endsWith('.$') && typeof field === 'string' && looksEvaluated(field)) || hasEvaluatedField(field),
  );
}

/** A value with JSONata expressions in it. */
export function checkQuery(value: Json, at: string, findings: Findings): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkQuery(item, pointer(at, index), findings);
  } else if (isObject(value)) {
    for (const [name, field] of Object.entries(value)) checkQuery(field, pointer(at, name), findings);
  } else if (typeof value === 'string') checkExpression(value, at, findings);
}

function checkExpression(text: string, at: string, findings: Findings): void {
  const code = 'INVALID_JSONATA_EXPRESSION';
  if (!isExpression(text)) {
    if (text.startsWith('{%')) findings.error(at, 'An expression that begins with {% ends with %}.', code);
    else if (text.endsWith('%}')) findings.error(at, 'An expression that ends with %} begins with {%.', code);
    return;
  }
  if (!/^\{%\s[\s\S]*\s%\}$/.test(text)) {
    findings.error(at, 'Put a space after {% and before %}.', code);
    return;
  }
  const problem = expressionProblem(expressionOf(text));
  if (problem !== undefined) findings.error(at, `Not a JSONata expression: ${problem}`, code);
}

const anyPath: FieldCheck = (value, at, _jsonata, findings) => {
  if (value !== null) checkPath(value, at, findings);
};
const callOrPath: FieldCheck = (value, at, _jsonata, findings) =>
  checkPath(value, at, findings, { intrinsic: true });
const plainPath: FieldCheck = (value, at, _jsonata, findings) => checkPath(value, at, findings);
const reference: FieldCheck = (value, at, _jsonata, findings) => {
  if (value !== null) checkPath(value, at, findings, { reference: true });
};
export const payload: FieldCheck = (value, at, jsonata, findings) =>
  (jsonata ? checkQuery : checkTemplate)(value, at, findings);

/** A number within bounds, or an expression for one. */
export function number(min: number, max: number, whole = true): FieldCheck {
  return (value, at, jsonata, findings) => {
    if (jsonata && isExpression(value)) return checkQuery(value, at, findings);
    const fits =
      typeof value === 'number' && value >= min && value <= max && (!whole || Number.isInteger(value));
    if (!fits) findings.error(at, `${whole ? 'An integer' : 'A number'} from ${min} to ${max} is expected.`);
  };
}

const text: FieldCheck = (value, at, jsonata, findings) => {
  if (typeof value !== 'string') findings.error(at, 'A text is expected.');
  else if (jsonata) checkQuery(value, at, findings);
  else if (looksEvaluated(value)) {
    const name = at.slice(at.lastIndexOf('/') + 1);
    findings.warning(at, `${name} is this text as it stands: a path is for ${name}Path.`, 'NO_PATH');
  }
};
const timestamp: FieldCheck = (value, at, jsonata, findings) => {
  if (jsonata && isExpression(value)) return checkQuery(value, at, findings);
  if (typeof value === 'string' && parseTimestamp(value) !== undefined) return;
  findings.error(at, 'An RFC 3339 time such as 2026-03-14T01:59:00Z is expected.');
};
const isTrue: FieldCheck = (value, at, _jsonata, findings) => {
  if (value !== true) findings.error(at, 'End is true, or left out.');
};
const comment: FieldCheck = (value, at, _jsonata, findings) => {
  if (typeof value !== 'string') findings.error(at, 'A comment is a text.');
};

const SUBSTITUTION = /\$\{[A-Za-z0-9_.:-]+\}/g;
const LAMBDA = /^arn:[a-z-]*:lambda:[^:]*:[^:]*:function:[\w-]+(?::(?:\$LATEST|[\w-]+))?$/;

/** An ARN, or what CloudFormation will put one in place of. */
export const resource: FieldCheck = (value, at, _jsonata, findings) => {
  if (isObject(value)) {
    const names = Object.keys(value);
    if (names.length === 1 && /^(?:Ref|Fn::\w+)$/.test(names[0]!)) return;
  }
  const code = 'INVALID_RESOURCE';
  if (typeof value !== 'string') return findings.error(at, 'Resource is an ARN.', code);
  const bare = value.replace(SUBSTITUTION, 'x');
  const open = bare.includes('${');
  const arn = /^arn:[a-z-]*:[\w-]+:[^:]*:[^:]*:.+$/.test(bare);
  if (open || (!arn && bare === value)) findings.error(at, `"${value}" is not an ARN.`, code);
  else if (/^arn:[a-z-]*:lambda:/.test(bare) && bare === value && !LAMBDA.test(value)) {
    findings.error(at, `"${value}" is not the ARN of a function, or of a version or alias of one.`, code);
  }
};
const taskResource: FieldCheck = (value, at, jsonata, findings, type) => {
  resource(value, at, jsonata, findings, type);
  if (typeof value !== 'string' || !value.startsWith('arn:') || value.includes('${')) return;
  if (findings.isExpress && waitsForOthers(value))
    findings.error(at, `"${value}" waits for somebody else, which an EXPRESS state machine does not.`);
  const missing = missingService(value);
  if (missing !== undefined) findings.warning(at, missing, 'UNSUPPORTED_RESOURCE');
};
/** What AWS takes in a label: no white space, wildcards, brackets or signs with a meaning of their own. */
const LABEL = /^[^\s?*<>{}[\]"#%\\^|~`$&,;:/\p{Cc}]{1,40}$/u;

/** How the fields of states are checked; those that are missing here have a check of their own. */
export const FIELDS: Readonly<Record<string, FieldCheck>> = {
  Comment: comment,
  End: isTrue,
  Next: (value, at, _jsonata, findings) => {
    if (typeof value !== 'string') findings.error(at, 'Next names a state.');
  },
  InputPath: anyPath,
  OutputPath: anyPath,
  ResultPath: reference,
  Parameters: payload,
  Result: (value, at, _jsonata, findings) => {
    if (typeof value === 'string' && looksEvaluated(value))
      findings.warning(at, 'Result is this text as it stands.', 'PASS_RESULT_IS_STATIC');
    else if (hasEvaluatedField(value))
      findings.warning(at, 'Fields of Result that end in .$ are not evaluated.', 'PASS_RESULT_IS_STATIC');
  },
  ResultSelector: payload,
  ItemSelector: payload,
  Arguments: payload,
  Output: payload,
  Credentials: payload,
  Resource: taskResource,
  Error: text,
  Cause: text,
  ErrorPath: callOrPath,
  CausePath: callOrPath,
  Seconds: number(0, SECONDS_MAX),
  SecondsPath: plainPath,
  Timestamp: timestamp,
  TimestampPath: plainPath,
  TimeoutSeconds: number(1, SECONDS_MAX),
  TimeoutSecondsPath: plainPath,
  HeartbeatSeconds: number(1, SECONDS_MAX),
  HeartbeatSecondsPath: plainPath,
  MaxConcurrency: number(0, SECONDS_MAX),
  MaxConcurrencyPath: plainPath,
  ToleratedFailureCount: number(0, SECONDS_MAX),
  ToleratedFailureCountPath: plainPath,
  ToleratedFailurePercentage: number(0, 100, false),
  ToleratedFailurePercentagePath: plainPath,
  ItemsPath: plainPath,
  Items: (value, at, _jsonata, findings) => {
    if (!Array.isArray(value) && !isObject(value) && !isExpression(value)) {
      findings.error(at, 'Items is a list, an object, or a JSONata expression.');
    } else checkQuery(value, at, findings);
  },
  Label: (value, at, _jsonata, findings) => {
    if (typeof value !== 'string' || !LABEL.test(value)) {
      findings.error(
        at,
        'Label is a text of at most 40 characters without white space, wildcards, brackets and special signs.',
        'INVALID_LABEL_NAME',
      );
    } else if (findings.labels.has(value)) {
      findings.error(at, `The label "${value}" is taken by another Map.`, 'DUPLICATE_LABEL_NAME');
    } else findings.labels.add(value);
  },
};

export function checkAssign(value: Json, at: string, jsonata: boolean, findings: Findings): void {
  if (!isObject(value)) {
    findings.error(at, 'Assign is a JSON object of variables.');
    return;
  }
  for (const name of Object.keys(value)) {
    const bare = !jsonata && name.endsWith('.$') ? name.slice(0, -2) : name;
    if (!/^[\p{L}_][\p{L}\p{N}_]{0,79}$/u.test(bare)) {
      findings.error(
        pointer(at, name),
        `"${bare}" is not a name for a variable: letters, digits and _, at most 80.`,
      );
    } else if (bare === 'states' || bare === '__proto__')
      findings.error(pointer(at, name), `The name "${bare}" is reserved.`);
  }
  (jsonata ? checkQuery : checkTemplate)(value, at, findings);
}
