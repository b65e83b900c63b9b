import type { Clock } from '../base/clock.ts';
import { LambentError, toLambentError } from '../base/errors.ts';
import type { MintUuid } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { compilePattern, type EventPattern } from '../model/event-pattern.ts';
import { EVERYBODY, scopeOfBus } from '../model/event-scope.ts';
import type { Authorize } from '../ports/authorize.ts';
import type { EventBus } from '../ports/event-bus.ts';
import { DEFAULT_BUS } from './event-bus.ts';
import { BUS_OPERATIONS } from './event-buses.ts';
import { answerOf, putEntry } from './event-entry.ts';
import { type EventRules, RULE_OPERATIONS } from './event-rules.ts';
import type { AwsJsonApi } from './json-apis.ts';
import { AwsJsonError, invalid, jsonResponse, RequestFields, toAwsJsonError } from './json-protocol.ts';
import { TAG_OPERATIONS } from './tag-operations.ts';

/*
 * The EventBridge API (https://docs.aws.amazon.com/eventbridge/latest/APIReference/): events, and rules with their
 * targets (event-rules.ts), on the bus `default` or on buses that clients make (event-buses.ts).
 *
 * Guaranteed: an entry that is answered with an EventId is stored with what is owed of it; a rule or target that was
 * taken is durable, and counts for every event that is put after that.
 * Deliberately absent: policies of buses and buses of partners, archives (`lambent replay` replays what is stored), and targets that are
 * neither functions nor state machines.
 */

const TARGET = /^AWSEvents\.([A-Za-z]+)$/;
/** Entries of one call (AWS' own figure). */
const ENTRIES_MAX = 10;
/** What an event must have to be tested (AWS' own list). */
const TESTED_FIELDS = ['id', 'account', 'source', 'time', 'region', 'resources', 'detail-type'];

export interface EventBridgeParts {
  readonly bus: EventBus;
  readonly clock: Clock;
  readonly mintUuid: MintUuid;
  readonly rules: EventRules;
  readonly authorize: Authorize;
  readonly log: Log;
}

type Operation = (parts: EventBridgeParts, fields: RequestFields) => Promise<object>;

const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['PutEvents', putEvents],
  ['TestEventPattern', testEventPattern],
  ...Object.entries({ ...RULE_OPERATIONS, ...BUS_OPERATIONS, ...TAG_OPERATIONS }).map(
    ([name, operation]): [string, Operation] => [name, ({ rules }, fields) => operation(rules, fields)],
  ),
]);

export function createEventBridgeApi(parts: EventBridgeParts): AwsJsonApi {
  return {
    matches: (awsTarget) => TARGET.test(awsTarget),
    async fetch(request, remoteAddress) {
      const id = parts.mintUuid();
      try {
        await parts.authorize(request, remoteAddress);
        const name = TARGET.exec(request.headers.get('x-amz-target') ?? '')?.[1] ?? '';
        const operation = OPERATIONS.get(name);
        if (operation === undefined)
          throw new AwsJsonError(
            'UnknownOperationException',
            `There is no operation ${name.slice(0, 100)} here.`,
          );
        return jsonResponse(await operation(parts, await RequestFields.read(request)), id);
      } catch (thrown) {
        return errorOf(thrown, id, parts.log).toResponse(id);
      }
    },
  };
}

function errorOf(thrown: unknown, requestId: string, log: Log): AwsJsonError {
  if (thrown instanceof AwsJsonError) return thrown;
  const error = toLambentError(thrown);
  if (error.code === 'E_PATTERN_INVALID')
    return new AwsJsonError('InvalidEventPatternException', error.message);
  const known = toAwsJsonError(error);
  if (known !== undefined) return known;
  log.error('a call by the EventBridge API met a defect', {
    requestId,
    code: error.code,
    error: error.message,
  });
  return new AwsJsonError('InternalException', `Something went wrong inside Lambent (${requestId}).`, {
    status: 500,
  });
}

async function putEvents(
  { bus, clock, mintUuid, rules }: EventBridgeParts,
  fields: RequestFields,
): Promise<object> {
  const entries = fields.list('Entries');
  if (entries.length === 0 || entries.length > ENTRIES_MAX)
    throw invalid(
      `Value at 'entries' failed to satisfy constraint: Member must have 1 to ${ENTRIES_MAX} items`,
    );
  const hasBus = (name: string): boolean => rules.hasBus(name);
  const outcomes = entries.map((entry) =>
    putEntry(entry, { id: mintUuid(), nowMs: clock.nowMs(), hasBus }, (event, name) =>
      bus.publish([event], { scope: name === DEFAULT_BUS ? EVERYBODY : scopeOfBus(name) }),
    ),
  );
  return answerOf(await Promise.all(outcomes));
}

async function testEventPattern(_parts: EventBridgeParts, fields: RequestFields): Promise<object> {
  const event = parseObject(fields.text('Event'), (message) =>
    invalid(`Parameter Event is not valid. ${message}`),
  );
  const missing = TESTED_FIELDS.filter((name) => event[name] === undefined);
  if (missing.length > 0)
    throw invalid(`Parameter Event is not valid. Reason: Event must have ${missing.join(', ')}.`);
  const given = parseObject(
    fields.text('EventPattern'),
    (message) =>
      new AwsJsonError('InvalidEventPatternException', `Event pattern is not valid. Reason: ${message}`),
  );
  const pattern: EventPattern = compilePattern(given);
  try {
    return { Result: pattern.matches(event) };
  } catch (thrown) {
    if (thrown instanceof LambentError) throw invalid(thrown.message);
    throw thrown;
  }
}

function parseObject(
  text: string,
  refuse: (message: string) => AwsJsonError,
): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw refuse(thrown instanceof Error ? thrown.message : String(thrown));
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw refuse('It is no JSON object.');
}
