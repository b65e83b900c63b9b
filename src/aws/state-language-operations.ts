import { isTooDeep, JSON_DEPTH_MAX } from '../base/json-depth.ts';
import { AwsJsonError, invalid } from './json-protocol.ts';
import type { StatesOperation } from './states-operation.ts';

/* Operations on definitions that start nothing. */

const DIAGNOSTICS_DEFAULT = 100;

export const LANGUAGE_OPERATIONS: Readonly<Record<string, StatesOperation>> = {
  async ValidateStateMachineDefinition({ language }, fields) {
    const severity = fields.choice('severity', ['ERROR', 'WARNING']);
    const max = fields.number('maxResults', 0, DIAGNOSTICS_DEFAULT) || DIAGNOSTICS_DEFAULT;
    const all = language.check(fields.text('definition', 1_048_576));
    const shown = all.filter((diagnostic) => severity === 'WARNING' || diagnostic.severity === 'ERROR');
    return {
      result: all.some((diagnostic) => diagnostic.severity === 'ERROR') ? 'FAIL' : 'OK',
      diagnostics: shown.slice(0, max),
      truncated: shown.length > max,
    };
  },

  async TestState({ language }, fields) {
    const mock = fields.object('mock');
    const given = mock === undefined ? undefined : readMock(mock);
    const outcome = await language.testState({
      definition: fields.text('definition', 1_048_576),
      stateName: fields.optionalText('stateName', 80),
      input: jsonText(fields.optionalText('input') ?? '{}', 'input'),
      variables: jsonText(fields.optionalText('variables') ?? '{}', 'variables'),
      mock: given,
    });
    return Object.fromEntries(Object.entries(outcome).filter(([, value]) => value !== undefined));
  },
};

function readMock(mock: Readonly<Record<string, unknown>>): {
  result?: string;
  error?: string;
  cause?: string;
} {
  const { result, errorOutput } = mock as {
    result?: unknown;
    errorOutput?: { error?: unknown; cause?: unknown };
  };
  if (typeof result === 'string') return { result: jsonText(result, 'mock.result') };
  if (typeof errorOutput?.error === 'string')
    return { error: errorOutput.error, cause: String(errorOutput.cause ?? '') };
  throw invalid("Value at 'mock' failed to satisfy constraint: Member must have a result or an errorOutput");
}

function jsonText(text: string, name: string): string {
  if (isTooDeep(text))
    throw new AwsJsonError('InvalidExecutionInput', `${name} nests deeper than ${JSON_DEPTH_MAX}.`);
  try {
    JSON.parse(text);
    return text;
  } catch (thrown) {
    throw new AwsJsonError('InvalidExecutionInput', `Invalid JSON in ${name}: ${(thrown as Error).message}`);
  }
}
