import { LambentError } from '../base/errors.ts';
import { nearestOf } from '../base/nearest.ts';
import type { Connection } from './connection.ts';
import { compilePattern } from './event-pattern.ts';
import type { FunctionName } from './function.ts';
import { chooseConnection } from './manifest-connections.ts';
import { planFilesSource } from './manifest-files.ts';
import { MESSAGE_KINDS, planMessageSource } from './manifest-message-sources.ts';
import type { ManifestPath, ManifestProblems } from './manifest-problems.ts';
import { planSchedule } from './manifest-schedule.ts';
import type { FunctionInput } from './manifest-schema.ts';
import type { TriggerInput } from './manifest-trigger-schema.ts';
import { parseDurationMs, parseMemoryMb } from './manifest-units.ts';
import {
  DELIVERY_DEFAULTS,
  type DeliveryPolicy,
  type Destination,
  type TableAction,
  TRIGGER_NAME,
  type Trigger,
  type TriggerName,
  type TriggerSource,
  type WebhookScheme,
} from './trigger.ts';

/** The most triggers of one app. */
export const TRIGGERS_MAX = 10_000;

const DAY_MS = 86_400_000;
const KINDS = [
  'events',
  'schedule',
  'webhook',
  'postgres',
  'mysql',
  'sqlite',
  'files',
  ...MESSAGE_KINDS,
] as const;

/** Kinds whose events come in an order unless the manifest says otherwise: changes of one row, messages of one key. */
const KEY_DEFAULTS: Readonly<Record<string, string>> = {
  postgres: 'subject',
  mysql: 'subject',
  sqlite: 'subject',
  kafka: 'partitionkey',
  sqs: 'partitionkey',
};

/** Settings that only one kind of trigger has. */
const ONLY_FOR: Readonly<Record<string, (typeof KINDS)[number]>> = {
  format: 'events',
  bus: 'events',
  timezone: 'schedule',
  missed: 'schedule',
  jitter: 'schedule',
  overlap: 'schedule',
  secret: 'webhook',
  tolerance: 'webhook',
};

interface Reading {
  readonly input: TriggerInput;
  readonly path: ManifestPath;
  readonly problems: ManifestProblems;
}

/** What triggers may name. */
interface AppNames {
  readonly functions: ReadonlySet<string>;
  readonly workflows: ReadonlySet<string>;
  readonly connections: ReadonlyMap<string, Connection>;
}

/** The triggers of an app's functions, in the platform's own units, with defaults filled in. */
export function planTriggers(
  functions: readonly (readonly [string, Pick<FunctionInput, 'on'>])[],
  workflows: ReadonlySet<string>,
  connections: ReadonlyMap<string, Connection>,
  problems: ManifestProblems,
): Trigger[] {
  const triggers: Trigger[] = [];
  const places = new Map<string, ManifestPath>();
  const names: AppNames = { functions: new Set(functions.map(([name]) => name)), workflows, connections };
  for (const [name, settings] of functions) {
    for (const [at, input] of (settings.on ?? []).entries()) {
      const reading = {
        input,
        path: [workflows.has(name) ? 'workflows' : 'functions', name, 'on', at],
        problems,
      };
      const trigger = planTrigger(name, reading, names, places);
      if (trigger !== undefined) triggers.push(trigger);
    }
  }
  if (triggers.length > TRIGGERS_MAX)
    problems.add(['functions'], 'key', `an app has at most ${TRIGGERS_MAX} triggers, not ${triggers.length}`);
  return triggers;
}

function planTrigger(
  owner: string,
  reading: Reading,
  names: AppNames,
  places: Map<string, ManifestPath>,
): Trigger | undefined {
  const { input, path, problems } = reading;
  const kinds = KINDS.filter((kind) => input[kind] !== undefined);
  const kind = kinds[0];
  if (kind === undefined || kinds.length > 1) {
    problems.add(path, 'value', `a trigger has one of ${KINDS.map((each) => `\`${each}\``).join(', ')}`);
    return undefined;
  }
  for (const [key, only] of Object.entries(ONLY_FOR))
    if (only !== kind && input[key as keyof TriggerInput] !== undefined)
      problems.add([...path, key], 'key', `\`${key}\` belongs to a trigger with \`${only}\``);
  const name = nameOf(owner, kind, reading, places);
  const source = sourceOf(kind, reading, names);
  const delivery = deliveryOf(reading, names);
  if (source === undefined) return undefined;
  const waits = source.kind === 'schedule' && source.overlap !== 'allow';
  return {
    name,
    function: owner as FunctionName,
    source,
    delivery: {
      ...delivery,
      key: delivery.key ?? KEY_DEFAULTS[source.kind],
      ...(waits ? { concurrency: 1 } : {}),
    },
  };
}

function nameOf(
  owner: string,
  kind: string,
  { input, path, problems }: Reading,
  places: Map<string, ManifestPath>,
): TriggerName {
  let name = input.name ?? `${owner}-${kind}`;
  for (let number = 2; input.name === undefined && places.has(name); number += 1)
    name = `${owner}-${kind}-${number}`;
  const at = input.name === undefined ? path : [...path, 'name'];
  if (!TRIGGER_NAME.test(name))
    problems.addWrong(at, 'a name of letters, digits, `_`, `-` and `.`, at most 128', name);
  const before = places.get(name);
  if (before !== undefined)
    problems.add(at, 'value', `the trigger \`${name}\` is already given at ${problems.placeText(before)}`);
  places.set(name, at);
  return name as TriggerName;
}

function sourceOf(
  kind: (typeof KINDS)[number],
  reading: Reading,
  { connections }: AppNames,
): TriggerSource | undefined {
  const { input, path, problems } = reading;
  switch (kind) {
    case 'events':
      return busSourceOf(reading);
    case 'schedule': {
      const schedule = planSchedule(input, path, problems);
      const { missed = 'last', overlap = 'wait' } = input;
      const jitterMs = ms(reading, 'jitter', 0, 0, DAY_MS);
      return schedule === undefined ? undefined : { kind, ...schedule, missed, overlap, jitterMs };
    }
    case 'webhook': {
      const verify = schemeOf(input.webhook!);
      const secrets = input.secret === undefined ? [] : [input.secret].flat();
      if (verify.kind !== 'none' && secrets.length === 0)
        problems.add(
          path,
          'value',
          'a webhook that is verified needs `secret`: the environment variable with its key',
        );
      return { kind, verify, secrets, toleranceMs: ms(reading, 'tolerance', 300_000, 1_000, DAY_MS) };
    }
    case 'files':
      return planFilesSource(input.files!, [...path, kind], problems);
    case 'postgres':
    case 'mysql':
    case 'sqlite':
      return tableSourceOf(kind, reading, connections);
    default: {
      const connection = chooseConnection(kind, input[kind]!, connections, [...path, kind], problems);
      return connection && planMessageSource(kind, input, connection);
    }
  }
}

function tableSourceOf(
  kind: 'postgres' | 'mysql' | 'sqlite',
  reading: Reading,
  connections: ReadonlyMap<string, Connection>,
): TriggerSource | undefined {
  const { input, path, problems } = reading;
  const given = input[kind]!;
  const { columns, maxPerMinute } = given;
  const connection = chooseConnection(kind, given, connections, [...path, kind], problems);
  const [schema, table] =
    kind === 'sqlite' ? [undefined, given.table] : tableNames(kind, given.table, reading);
  if (connection === undefined) return undefined;
  const common = { connection, table, columns, maxPerMinute };
  switch (kind) {
    case 'postgres': {
      const { where, maxLag, backfill } = input.postgres!;
      const maxLagMb = maxLag === undefined ? undefined : parseMemoryMb(maxLag);
      return {
        ...{ ...common, kind, schema: schema ?? 'public', actions: actionsOf(given) },
        ...{ where, maxLagMb, backfill },
      };
    }
    case 'mysql':
      return { ...common, kind, schema, actions: actionsOf(given), backfill: input.mysql!.backfill };
    case 'sqlite': {
      const { actions = ['insert', 'update', 'delete'], where, backfill } = input.sqlite!;
      return { ...common, kind, actions: [...new Set(actions)], where, backfill };
    }
  }
}

/** `table`, or `schema.table`. */
function tableNames(
  kind: 'postgres' | 'mysql',
  given: string,
  { path, problems }: Reading,
): [schema: string | undefined, table: string] {
  const names = given.split('.');
  const example = kind === 'postgres' ? 'public.orders' : 'shop.orders';
  if (names.length > 2 || names.includes(''))
    problems.addWrong([...path, kind, 'table'], `a table such as \`${example}\``, given);
  return names.length === 1 ? [undefined, given] : [names[0], names[1]!];
}

function actionsOf({ actions }: { readonly actions?: readonly TableAction[] | undefined }): TableAction[] {
  return [...new Set(actions ?? (['insert', 'update', 'delete'] as const))];
}

function busSourceOf({ input, path, problems }: Reading): TriggerSource | undefined {
  const { format = 'cloudevent', bus } = input;
  try {
    const { source: pattern } = compilePattern(input.events);
    return { kind: 'events', pattern, format, ...(bus === undefined ? {} : { bus }) };
  } catch (thrown) {
    if (!(thrown instanceof LambentError)) throw thrown;
    problems.add([...path, 'events'], 'value', thrown.message);
    return undefined;
  }
}

function schemeOf(given: NonNullable<TriggerInput['webhook']>): WebhookScheme {
  if (typeof given === 'string') return { kind: given };
  const { header, algorithm = 'sha256', encoding = 'hex', prefix = '', idHeader } = given;
  return {
    kind: 'hmac',
    header: header.toLowerCase(),
    algorithm,
    encoding,
    prefix,
    idHeader: idHeader?.toLowerCase(),
  };
}

function deliveryOf(reading: Reading, names: AppNames): DeliveryPolicy {
  const { input, path, problems } = reading;
  const base = DELIVERY_DEFAULTS;
  if (input.debounce !== undefined && input.batch !== undefined)
    problems.add([...path, 'debounce'], 'key', '`debounce` delivers one event; it does not go with `batch`');
  if (input.dedupeWindow !== undefined && input.dedupe === undefined)
    problems.add(
      [...path, 'dedupeWindow'],
      'key',
      '`dedupeWindow` says how long `dedupe` remembers; that is missing',
    );
  return {
    attemptsMax: input.attempts ?? base.attemptsMax,
    ageMaxMs: ms(reading, 'maxAge', base.ageMaxMs, 1_000, 14 * DAY_MS),
    retryFirstMs: ms(reading, 'retryFirst', base.retryFirstMs, 1, DAY_MS),
    retryMaxMs: ms(reading, 'retryMax', base.retryMaxMs, 1, DAY_MS),
    batchMax: input.batch ?? base.batchMax,
    batched: input.batch !== undefined,
    windowMs: ms(reading, 'window', base.windowMs, 0, 300_000),
    bisect: input.bisect ?? base.bisect,
    concurrency: input.concurrency ?? base.concurrency,
    key: input.key,
    ratePerSecond: input.rate ?? base.ratePerSecond,
    debounceMs: ms(reading, 'debounce', base.debounceMs, 0, DAY_MS),
    dedupeKey: input.dedupe,
    dedupeMs: ms(reading, 'dedupeWindow', base.dedupeMs, 1_000, DAY_MS),
    onSuccess: destinationOf(input.onSuccess, [...path, 'onSuccess'], problems, names),
    onFailure: destinationOf(input.onFailure, [...path, 'onFailure'], problems, names),
  };
}

function destinationOf(
  given: TriggerInput['onSuccess'],
  path: ManifestPath,
  problems: ManifestProblems,
  names: AppNames,
): Destination | undefined {
  if (given === undefined) return undefined;
  if ('emit' in given) return { kind: 'emit', type: given.emit };
  if ('webhook' in given) {
    const url = URL.parse(given.webhook);
    if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
      problems.addWrong([...path, 'webhook'], 'a URL of http or https without a login', given.webhook);
    return { kind: 'webhook', url: given.webhook, secrets: [given.secret].flat() };
  }
  const [kind, name] =
    'function' in given ? (['function', given.function] as const) : (['workflow', given.workflow] as const);
  const known = kind === 'function' ? names.functions : names.workflows;
  if (!known.has(name))
    problems.addWrong([...path, kind], `the name of a ${kind} of this app`, name, nearestOf(name, known));
  return kind === 'function'
    ? { kind, function: name as FunctionName }
    : { kind, workflow: name as FunctionName };
}

type DurationKey =
  | 'maxAge'
  | 'retryFirst'
  | 'retryMax'
  | 'window'
  | 'debounce'
  | 'dedupeWindow'
  | 'jitter'
  | 'tolerance';

function ms(
  { input, path, problems }: Reading,
  key: DurationKey,
  defaultMs: number,
  leastMs: number,
  mostMs: number,
): number {
  const given = input[key];
  if (given === undefined) return defaultMs;
  const value = parseDurationMs(given);
  if (value !== undefined && value >= leastMs && value <= mostMs) return value;
  const most = mostMs >= 3_600_000 ? `${mostMs / 3_600_000}h` : `${mostMs / 60_000}m`;
  problems.addWrong([...path, key], `a duration from ${leastMs}ms to ${most}`, given);
  return defaultMs;
}
