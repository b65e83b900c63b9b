import { type Findings, pointer } from './diagnostics.ts';
import { isObject, type Json, type JsonObject } from './json-value.ts';
import { expressionOf, isExpression, readsOfStates } from './jsonata-expression.ts';

/*
 * `$states.result` and `$states.errorOutput` are there in some fields only. Elsewhere they would be nothing at run time;
 * as AWS documents it, a definition that reads them there is refused.
 */

/** Types of state that have a result. */
const WITH_RESULT: ReadonlySet<unknown> = new Set(['Task', 'Parallel', 'Map']);
const AFTER_RESULT: ReadonlySet<string> = new Set(['Output', 'Assign']);
/** Fields with states of their own, which are looked at by themselves. */
const WITH_STATES: ReadonlySet<string> = new Set(['ItemProcessor', 'Iterator', 'Branches']);
const SOMETIMES_THERE: ReadonlySet<string> = new Set(['result', 'errorOutput']);

export function checkStatesVariable(state: JsonObject, here: string, findings: Findings): void {
  for (const [name, value] of Object.entries(state)) {
    const at = pointer(here, name);
    if (WITH_STATES.has(name)) continue;
    if (name === 'Catch') checkCatchers(value, at, findings);
    else
      checkReads(value, at, WITH_RESULT.has(state.Type) && AFTER_RESULT.has(name) ? 'result' : '', findings);
  }
}

function checkCatchers(catchers: Json, at: string, findings: Findings): void {
  if (!Array.isArray(catchers)) return;
  for (const [index, catcher] of catchers.entries())
    checkReads(catcher, pointer(at, index), 'errorOutput', findings);
}

function checkReads(value: Json, at: string, there: string, findings: Findings): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkReads(item, pointer(at, index), there, findings);
  } else if (isObject(value)) {
    for (const [name, field] of Object.entries(value)) checkReads(field, pointer(at, name), there, findings);
  } else if (isExpression(value)) {
    for (const field of readsOfStates(expressionOf(value))) {
      if (!SOMETIMES_THERE.has(field) || field === there) continue;
      const where =
        field === 'result'
          ? 'Output and Assign of a Task, Parallel or Map state'
          : 'Output and Assign of a Catch';
      findings.error(at, `$states.${field} is there in ${where} only.`, 'INVALID_JSONATA_EXPRESSION');
    }
  }
}
