import { isTooDeep, JSON_DEPTH_MAX } from '../base/json-depth.ts';
import type { HttpExchange, TestStateInspection } from '../ports/state-language.ts';
import { AwsJsonError, invalid } from './json-protocol.ts';
import type { StatesOperation } from './states-operation.ts';

/* Operations on definitions that start nothing. */

const DIAGNOSTICS_DEFAULT = 100;

export const LANGUAGE_OPERATIONS: Readonly<Record<string, StatesOperation>> = {
  async ValidateStateMachineDefinition({ language }, fields) {
    const severity = fields.choice('severity', ['ERROR', 'WARNING']);
    const max = fields.number('maxResults', 0, DIAGNOSTICS_DEFAULT) || DIAGNOSTICS_DEFAULT;
    const type: 'STANDARD' | 'EXPRESS' = fields.choice('type', ['STANDARD', 'EXPRESS']);
    const all = language.check(fields.text('definition', 1_048_576), type);
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
      context: jsonText(fields.optionalText('context') ?? '{}', 'context'),
      retries: retriesOf(fields.object('stateConfiguration')),
    });
    const { inspection, variables, exchange, ...answer } = outcome;
    const level = fields.choice('inspectionLevel', ['INFO', 'DEBUG', 'TRACE']);
    const told = {
      ...answer,
      ...(level !== 'INFO' && {
        inspectionData: {
          ...inspectionData(inspection, variables),
          ...(level === 'TRACE' && exchanged(exchange)),
        },
      }),
    };
    return Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined));
  },
};

/** Data as texts of JSON, as AWS gives them; what is said of errors stays an object. */
function inspectionData(
  inspection: TestStateInspection,
  variables: string | undefined,
): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(inspection))
    shown[name] = name === 'errorDetails' ? value : JSON.stringify(value);
  return variables === undefined ? shown : { ...shown, variables };
}

/** What an HTTP task sent and got. Machines of this API have no connections, so there are no secrets to reveal. */
function exchanged(exchange: HttpExchange | undefined): Record<string, unknown> {
  if (exchange === undefined) return {};
  const protocol = 'HTTP/1.1';
  const { request, response } = exchange;
  return {
    request: { protocol, ...request },
    ...(response !== undefined && { response: { protocol, ...response } }),
  };
}

function retriesOf(configuration: Readonly<Record<string, unknown>> | undefined): number {
  const { retrierRetryCount: count = 0 } = (configuration ?? {}) as { retrierRetryCount?: unknown };
  if (typeof count === 'number' && Number.isInteger(count) && count >= 0) return count;
  throw invalid("Value at 'stateConfiguration.retrierRetryCount' failed to satisfy constraint");
}

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
