import { type Findings, pointer } from './diagnostics.ts';
import { isObject, type Json, type JsonObject } from './json-value.ts';
import { expressionOf, isExpression } from './jsonata-expression.ts';
import { readsOf } from './jsonata-reads.ts';

/*
 * What a JSONata state reads, but would never find: a name without `$states.input` before it, and `$states.result` and
 * `$states.errorOutput` in fields where they are not. AWS refuses such definitions, too.
 */

/** Types of state that have a result. */
const WITH_RESULT: ReadonlySet<unknown> = new Set(['Task', 'Parallel', 'Map']);
const AFTER_RESULT: ReadonlySet<string> = new Set(['Output', 'Assign']);
/** A text, and fields with states of their own, which are looked at by themselves. */
const PASSED_OVER: ReadonlySet<string> = new Set(['Comment', 'ItemProcessor', 'Iterator', 'Branches']);
const SOMETIMES_THERE: ReadonlySet<string> = new Set(['result', 'errorOutput']);

export function checkReads(state: JsonObject, here: string, findings: Findings): void {
  for (const [name, value] of Object.entries(state)) {
    const at = pointer(here, name);
    if (PASSED_OVER.has(name)) continue;
    if (name === 'Catch') checkCatchers(value, at, findings);
    else
      checkValue(value, at, WITH_RESULT.has(state.Type) && AFTER_RESULT.has(name) ? 'result' : '', findings);
  }
}

function checkCatchers(catchers: Json, at: string, findings: Findings): void {
  if (!Array.isArray(catchers)) return;
  for (const [index, catcher] of catchers.entries())
    checkValue(catcher, pointer(at, index), 'errorOutput', findings);
}

function checkValue(value: Json, at: string, there: string, findings: Findings): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkValue(item, pointer(at, index), there, findings);
  } else if (isObject(value)) {
    for (const [name, field] of Object.entries(value)) checkValue(field, pointer(at, name), there, findings);
  } else if (isExpression(value)) {
    const { states, bare, root } = readsOf(expressionOf(value));
    for (const name of bare) {
      findings.error(
        at,
        `Reference to '${name}' at the top level is not supported: an expression has no data of its own. Write $states.input.${name}, or a variable.`,
        'UNSUPPORTED_JSONATA_EXPRESSION',
      );
    }
    if (root) findings.error(at, 'There is no $$: write $states.input.', 'INVALID_JSONATA_EXPRESSION');
    for (const field of states) {
      if (!SOMETIMES_THERE.has(field) || field === there) continue;
      const where =
        field === 'result'
          ? 'Output and Assign of a Task, Parallel or Map state'
          : 'Output and Assign of a Catch';
      findings.error(at, `$states.${field} is there in ${where} only.`, 'INVALID_JSONATA_EXPRESSION');
    }
  }
}
