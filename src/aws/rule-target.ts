import { parseEventPath } from '../model/event-path.ts';
import type { AppName, FunctionName } from '../model/function.ts';
import type { TargetInput } from '../model/trigger.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import { STATES_APP } from './execution-value.ts';
import { AwsJsonError, invalid, RequestFields } from './json-protocol.ts';
import type { RuleTargetValue } from './rule-triggers.ts';
import { parseStatesArn } from './states-arn.ts';

/*
 * Targets: a function of a live app by the ARN of AWS Lambda, or a state machine. What a target asks for that is not
 * done here is refused, rather than left out.
 */

const ID = /^[A-Za-z0-9._-]{1,64}$/;
const FUNCTION_ARN = /^arn:aws[a-zA-Z-]*:lambda:[^:]*:[^:]*:function:([A-Za-z0-9_-]+)(?::\$LATEST)?$/;
/** Characters of a constant and of a template (AWS' own figure), and paths of a template. */
const INPUT_CHARS_MAX = 8_192;
const PATHS_MAX = 100;
/** The queue of dead letters is taken, and told again: dead letters are kept here, under the trigger of the target. */
const QUEUE_ARN = /^arn:aws[a-zA-Z-]*:sqs:[^:]*:[^:]*:[A-Za-z0-9_-]{1,80}(?:\.fifo)?$/;
const KNOWN = new Set([
  'Id',
  'Arn',
  'RoleArn',
  'Input',
  'InputPath',
  'InputTransformer',
  'RetryPolicy',
  'DeadLetterConfig',
]);

/** Reads a target as a client gives it. */
export function parseTarget(liveApps: LiveApps, given: unknown): RuleTargetValue {
  if (typeof given !== 'object' || given === null) throw invalid('A target is a structure.');
  const fields = new RequestFields(given as Record<string, unknown>);
  const id = fields.text('Id');
  if (!ID.test(id)) throw invalid(`'${id.slice(0, 100)}' is no id of a target.`);
  const unknown = Object.entries(given).find(
    ([name, value]) => !KNOWN.has(name) && value !== null && value !== undefined,
  );
  if (unknown !== undefined)
    throw invalid(`Targets have no ${unknown[0].slice(0, 64)} here; they are functions and state machines.`);
  const deadLetters = fields.object('DeadLetterConfig');
  if (deadLetters !== undefined) {
    const queue = new RequestFields(deadLetters).optionalText('Arn', 1_600);
    if (queue !== undefined && !QUEUE_ARN.test(queue))
      throw invalid(`${queue.slice(0, 200)} is not the ARN of a queue of SQS.`);
  }
  const retry = new RequestFields(fields.object('RetryPolicy') ?? {});
  return {
    id,
    ...calleeOf(liveApps, fields.text('Arn', 1_600)),
    input: inputOf(fields),
    attemptsMax: (retry.number('MaximumRetryAttempts', 0, 185) ?? 185) + 1,
    ageMaxMs: (retry.number('MaximumEventAgeInSeconds', 60, 86_400) ?? 86_400) * 1_000,
    given,
  };
}

function calleeOf(
  liveApps: LiveApps,
  arn: string,
): Pick<RuleTargetValue, 'app' | 'function' | 'stateMachine'> {
  const states = parseStatesArn(arn);
  if (states?.kind === 'stateMachine')
    return { app: STATES_APP, function: states.machine as FunctionName, stateMachine: arn };
  const name = FUNCTION_ARN.exec(arn)?.[1];
  if (name === undefined)
    throw invalid(`${arn.slice(0, 200)} is the ARN neither of a function nor of a state machine.`);
  for (let cut = name.indexOf('--'); cut > 0; cut = name.indexOf('--', cut + 1)) {
    const [app, inner] = [name.slice(0, cut) as AppName, name.slice(cut + 2) as FunctionName];
    if (liveApps.resolve(app, inner) !== undefined) return { app, function: inner };
  }
  const bare = name as FunctionName;
  const apps = liveApps
    .snapshot()
    .map(({ live }) => live.app)
    .filter((app) => liveApps.resolve(app, bare) !== undefined);
  if (apps.length === 1) return { app: apps[0]!, function: bare };
  if (apps.length > 1)
    throw invalid(`${apps.length} apps have a function ${name}; name one as ${apps[0]}--${name}.`);
  throw new AwsJsonError('ResourceNotFoundException', `Function not found: ${arn.slice(0, 200)}`);
}

function inputOf(fields: RequestFields): TargetInput {
  const json = fields.optionalText('Input', INPUT_CHARS_MAX);
  const path = fields.optionalText('InputPath');
  const transformer = fields.object('InputTransformer');
  if ([json, path, transformer].filter((each) => each !== undefined).length > 1)
    throw invalid('Only one of Input, InputPath, or InputTransformer must be provided.');
  if (json !== undefined) {
    try {
      JSON.parse(json);
    } catch {
      throw invalid('Input is no valid JSON.');
    }
    return { kind: 'constant', json };
  }
  if (path !== undefined) return { kind: 'path', path: pathIn(path) };
  if (transformer === undefined) return { kind: 'event' };
  const parts = new RequestFields(transformer);
  const paths = Object.entries(parts.object('InputPathsMap') ?? {});
  if (paths.length > PATHS_MAX) throw invalid(`InputPathsMap has at most ${PATHS_MAX} entries.`);
  return {
    kind: 'template',
    paths: Object.fromEntries(paths.map(([name, value]) => [name, pathIn(value)])),
    template: parts.text('InputTemplate', INPUT_CHARS_MAX),
  };
}

function pathIn(path: unknown): string {
  if (typeof path === 'string' && parseEventPath(path) !== undefined) return path;
  throw invalid(`${String(path).slice(0, 100)} is no path to one value, as \`$.detail.list[0]\`.`);
}
