import type { AppName, FunctionName } from '../model/function.ts';
import { parseScheduleTime, type ScheduleTime } from '../model/schedule-time.ts';
import {
  DELIVERY_DEFAULTS,
  type TargetInput,
  type Trigger,
  type TriggerName,
  type TriggerSource,
} from '../model/trigger.ts';
import { AwsJsonError } from './json-protocol.ts';
import type { ResourceTag } from './resource-tags.ts';

/** A rule as it is kept. */
export interface EventRule {
  readonly name: string;
  /** Left out: `default`. */
  readonly bus?: string;
  /** As the client wrote it, and read. */
  readonly pattern: string | undefined;
  readonly parsed: Readonly<Record<string, unknown>> | undefined;
  readonly schedule: string | undefined;
  readonly when: ScheduleTime | undefined;
  readonly isEnabled: boolean;
  readonly description: string | undefined;
  readonly roleArn: string | undefined;
  readonly targets: readonly RuleTargetValue[];
  /** Rules that were stored by older platforms have none. */
  readonly tags?: readonly ResourceTag[];
}

export interface RuleTargetValue {
  readonly id: string;
  readonly app: AppName;
  /** Or the name of the state machine. */
  readonly function: FunctionName;
  /** Its ARN. */
  readonly stateMachine?: string;
  readonly input: TargetInput;
  readonly attemptsMax: number;
  readonly ageMaxMs: number;
  /** What the client gave, to be told again. */
  readonly given: object;
}

export function ruleArn({ bus, name }: Pick<EventRule, 'bus' | 'name'>): string {
  return `arn:aws:events:us-east-1:000000000000:rule/${bus === undefined ? '' : `${bus}/`}${name}`;
}

/**
 * What a rule means: for each target a trigger of the pattern, of the schedule, or of both. Their names hold a colon,
 * which no name in a manifest has, so that the two never meet (`RULE_TRIGGER_NAME`).
 */
export function triggersOf(rule: EventRule): { readonly app: AppName; readonly trigger: Trigger }[] {
  if (!rule.isEnabled) return [];
  const sources: TriggerSource[] = [];
  if (rule.parsed !== undefined)
    sources.push({ kind: 'events', pattern: rule.parsed, format: 'eventbridge', bus: rule.bus });
  if (rule.when !== undefined)
    sources.push({
      kind: 'schedule',
      ...{ when: rule.when, timeZone: 'UTC', missed: 'skip', jitterMs: 0, overlap: 'allow' },
    });
  return rule.targets.flatMap((target) =>
    sources.map((source) => ({ app: target.app, trigger: triggerOf(rule, target, source) })),
  );
}

function triggerOf(rule: EventRule, target: RuleTargetValue, source: TriggerSource): Trigger {
  const { id, input, attemptsMax, ageMaxMs, stateMachine } = target;
  const { bus, name } = rule;
  const isScheduled = source.kind === 'schedule';
  return {
    name: `${isScheduled ? 'schedule' : 'rule'}:${bus === undefined ? '' : `${bus}:`}${name}:${id}` as TriggerName,
    function: target.function,
    source,
    delivery: { ...DELIVERY_DEFAULTS, attemptsMax, ageMaxMs },
    starts: stateMachine === undefined ? undefined : { kind: 'stateMachine', arn: stateMachine },
    rule: { name, arn: ruleArn(rule), isScheduled, input },
  };
}

/** Minutes, hours, day of month, month, day of week, year (AWS' own order). */
const CRON = /^cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)$/;
const RATE = /^rate\((?:1 (?:minute|hour|day)|(?:[2-9]|[1-9]\d+) (?:minutes|hours|days))\)$/;

/** `rate(…)` and `cron(…)` as EventBridge reads them, in UTC. */
export function scheduleOf(expression: string): ScheduleTime {
  const fields = CRON.exec(expression.trim())?.slice(1);
  const text =
    fields === undefined ? (RATE.test(expression) ? expression : '') : plainCron(fields as CronFields);
  const when = text === undefined ? undefined : parseScheduleTime(text);
  if (when !== undefined && text !== '') return when;
  throw new AwsJsonError('ValidationException', 'Parameter ScheduleExpression is not valid.');
}

type CronFields = [string, string, string, string, string, string];

const FIELD_ENDS = [59, 23, 31, 12, 6];

/** AWS counts days of the week from 1, and one of the two fields for days is `?`. Years are not restricted here. */
function plainCron([minute, hour, day, month, weekday, year]: CronFields): string | undefined {
  if ((day === '?') === (weekday === '?') || year !== '*') return undefined;
  // Not what comes after `/` or `#`: those are counts.
  const days = weekday.replace(/(?<![/#\d])\d/g, (digit) => String(Number(digit) - 1));
  return [minute, hour, day, month, days].map(openRanges).join(' ').replaceAll('?', '*');
}

/** `5/10` means from 5 on, which is written with an end here. */
function openRanges(field: string, at: number): string {
  return field
    .split(',')
    .map((part) => part.replace(/^(\d+)\/(\d+)$/, `$1-${FIELD_ENDS[at]}/$2`))
    .join(',');
}
