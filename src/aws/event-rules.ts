import { compilePattern } from '../model/event-pattern.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { StateMachineStore } from '../ports/state-machine-store.ts';
import type { TriggerSupply } from '../ports/trigger-supply.ts';
import { AwsJsonError, invalid, type RequestFields } from './json-protocol.ts';
import { decodePage, page } from './page-token.ts';
import { addTags, readTags } from './rule-tags.ts';
import { parseTarget } from './rule-target.ts';
import { type EventRule, type RuleTargetValue, ruleArn, scheduleOf, triggersOf } from './rule-triggers.ts';

/*
 * Rules and their targets. All are in memory, each with the triggers that it means; an operation changes the store
 * first, and one after another, so that two at once do not undo each other.
 */

/** Rules of the bus, targets of a rule, and targets in one call (AWS' own figures). */
const RULES_MAX = 300;
const TARGETS_MAX = 5;
const TARGETS_AT_ONCE_MAX = 100;
const PAGE_MAX = 100;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const RULE_ARN = /^arn:[^:]*:events:[^:]*:[^:]*:rule\/(?:default\/)?([A-Za-z0-9._-]{1,64})$/;
const BUS_NAME = /^(?:default|arn:[^:]*:events:[^:]*:[^:]*:event-bus\/default)$/;

/** Refuses any bus but the one that there is. */
export function checkBus(fields: RequestFields): void {
  const bus = fields.optionalText('EventBusName') ?? 'default';
  if (!BUS_NAME.test(bus))
    throw new AwsJsonError(
      'ResourceNotFoundException',
      `Event bus ${bus.slice(0, 100)} does not exist; there is \`default\`.`,
    );
}

interface Kept {
  readonly rule: EventRule;
  readonly triggers: ReturnType<typeof triggersOf>;
}

export type RuleOperation = (rules: EventRules, fields: RequestFields) => Promise<object>;

export class EventRules implements TriggerSupply {
  readonly liveApps: LiveApps;
  readonly #store: StateMachineStore;
  readonly #rules = new Map<string, Kept>();
  readonly #listeners = new Set<() => void>();
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(store: StateMachineStore, liveApps: LiveApps) {
    this.#store = store;
    this.liveApps = liveApps;
  }

  static async open(store: StateMachineStore, liveApps: LiveApps): Promise<EventRules> {
    const rules = new EventRules(store, liveApps);
    for (const { value } of await store.list('eventRule', '', '', RULES_MAX)) rules.#keep(value as EventRule);
    return rules;
  }

  list(): Kept['triggers'] {
    return [...this.#rules.values()].flatMap(({ triggers }) => triggers);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  find(name: string): EventRule | undefined {
    return this.#rules.get(name)?.rule;
  }

  require(name: string): EventRule {
    const rule = this.find(name);
    if (rule !== undefined) return rule;
    const message = `Rule ${name.slice(0, 100)} does not exist on EventBus default.`;
    throw new AwsJsonError('ResourceNotFoundException', message);
  }

  /** In the order of their names, from after `after`. */
  names(prefix: string, after: string, limit: number): string[] {
    return [...this.#rules.keys()]
      .filter((name) => name.startsWith(prefix) && name > after)
      .toSorted()
      .slice(0, limit);
  }

  /** Puts what `change` makes of a rule in its place; durable when it resolves. `undefined` removes it. */
  async change(
    name: string,
    change: (before: EventRule | undefined) => EventRule | undefined,
  ): Promise<void> {
    const turn = this.#changing.then(async () => {
      const before = this.find(name);
      const after = change(before);
      if (after === before) return;
      if (before === undefined && this.#rules.size >= RULES_MAX)
        throw new AwsJsonError('LimitExceededException', `There are ${RULES_MAX} rules; no more are taken.`);
      if (after === undefined) {
        await this.#store.remove([{ kind: 'eventRule', key: name }]);
        this.#rules.delete(name);
      } else {
        await this.#store.put([{ kind: 'eventRule', key: name, value: after }]);
        this.#keep(after);
      }
      for (const listener of this.#listeners) listener();
    });
    this.#changing = turn.catch(() => {});
    await turn;
  }

  #keep(rule: EventRule): void {
    this.#rules.set(rule.name, { rule, triggers: triggersOf(rule) });
  }
}

function nameIn(fields: RequestFields, field: string): string {
  checkBus(fields);
  const name = fields.text(field);
  if (NAME.test(name)) return name;
  throw invalid(
    `Value at '${field}' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+`,
  );
}

/** Targets stay when a rule is put again; all else is as it was said last (as at AWS). */
async function putRule(rules: EventRules, fields: RequestFields): Promise<object> {
  const name = nameIn(fields, 'Name');
  const pattern = fields.optionalText('EventPattern', 4_096);
  const schedule = fields.optionalText('ScheduleExpression', 256);
  if (!pattern && !schedule)
    throw invalid('Parameter(s) EventPattern or ScheduleExpression must be specified.');
  const given = readTags(fields);
  const when = schedule ? scheduleOf(schedule) : undefined;
  const parsed = pattern ? parsePattern(pattern) : undefined;
  if (parsed !== undefined) compilePattern(parsed);
  const state = fields.choice('State', ['ENABLED', 'DISABLED']);
  const description = fields.optionalText('Description', 512);
  const roleArn = fields.optionalText('RoleArn', 1_600);
  await rules.change(name, (before) => ({
    ...{ name, pattern, parsed, schedule, when, description, roleArn },
    isEnabled: state === 'ENABLED',
    targets: before?.targets ?? [],
    // Those of a new rule; of one that is there, TagResource changes them.
    tags: before === undefined ? addTags([], given) : (before.tags ?? []),
  }));
  return { RuleArn: ruleArn(name) };
}

function parsePattern(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new AwsJsonError(
    'InvalidEventPatternException',
    'Event pattern is not valid. Reason: it is no JSON object',
  );
}

function describeFields(rule: EventRule): object {
  return {
    ...{ Name: rule.name, Arn: ruleArn(rule.name), EventBusName: 'default' },
    State: rule.isEnabled ? 'ENABLED' : 'DISABLED',
    ...{ EventPattern: rule.pattern, ScheduleExpression: rule.schedule },
    ...{ Description: rule.description, RoleArn: rule.roleArn },
  };
}

async function describeRule(rules: EventRules, fields: RequestFields): Promise<object> {
  return describeFields(rules.require(nameIn(fields, 'Name')));
}

async function listRules(rules: EventRules, fields: RequestFields): Promise<object> {
  checkBus(fields);
  const limit = fields.number('Limit', 1, PAGE_MAX) ?? PAGE_MAX;
  const after = decodePage<string>(fields.optionalText('NextToken'), 'string') ?? '';
  const names = rules.names(fields.optionalText('NamePrefix', 64) ?? '', after, limit + 1);
  const { items, nextToken } = page(names, limit, (name) => name);
  return { Rules: items.map((name) => describeFields(rules.require(name))), NextToken: nextToken };
}

async function deleteRule(rules: EventRules, fields: RequestFields): Promise<object> {
  await rules.change(nameIn(fields, 'Name'), (before) => {
    if ((before?.targets.length ?? 0) > 0) throw invalid("Rule can't be deleted since it has targets.");
    return undefined;
  });
  return {};
}

async function setEnabled(rules: EventRules, fields: RequestFields, isEnabled: boolean): Promise<object> {
  const name = nameIn(fields, 'Name');
  await rules.change(name, () => ({ ...rules.require(name), isEnabled }));
  return {};
}

/** Targets stand or fall one by one; one with the id of another takes its place. */
async function putTargets(rules: EventRules, fields: RequestFields): Promise<object> {
  const name = nameIn(fields, 'Rule');
  const given = fields.list('Targets');
  if (given.length === 0 || given.length > TARGETS_AT_ONCE_MAX)
    throw invalid(
      `Value at 'targets' failed to satisfy constraint: Member must have 1 to ${TARGETS_AT_ONCE_MAX} items`,
    );
  const failed: object[] = [];
  const taken: RuleTargetValue[] = [];
  for (const each of given) {
    try {
      taken.push(parseTarget(rules.liveApps, each));
    } catch (thrown) {
      if (!(thrown instanceof AwsJsonError)) throw thrown;
      const { Id } = (each ?? {}) as { Id?: unknown };
      failed.push({ TargetId: Id, ErrorCode: thrown.type, ErrorMessage: thrown.message });
    }
  }
  await rules.change(name, () => {
    const rule = rules.require(name);
    const targets = new Map([...rule.targets, ...taken].map((target) => [target.id, target]));
    if (targets.size > TARGETS_MAX)
      throw new AwsJsonError('LimitExceededException', `A rule has at most ${TARGETS_MAX} targets.`);
    return { ...rule, targets: [...targets.values()] };
  });
  return { FailedEntryCount: failed.length, FailedEntries: failed };
}

async function removeTargets(rules: EventRules, fields: RequestFields): Promise<object> {
  const name = nameIn(fields, 'Rule');
  const ids = new Set(fields.list('Ids'));
  const failed: object[] = [];
  await rules.change(name, () => {
    const rule = rules.require(name);
    for (const id of ids)
      if (!rule.targets.some((target) => target.id === id))
        failed.push({
          TargetId: id,
          ErrorCode: 'ResourceNotFoundException',
          ErrorMessage: `Rule ${name} has no such target.`,
        });
    return { ...rule, targets: rule.targets.filter(({ id }) => !ids.has(id)) };
  });
  return { FailedEntryCount: failed.length, FailedEntries: failed };
}

async function listTargets(rules: EventRules, fields: RequestFields): Promise<object> {
  const { targets } = rules.require(nameIn(fields, 'Rule'));
  const limit = fields.number('Limit', 1, PAGE_MAX) ?? PAGE_MAX;
  const after = decodePage<number>(fields.optionalText('NextToken'), 'number') ?? 0;
  const { items, nextToken } = page(targets.slice(after, after + limit + 1), limit, () => after + limit);
  return { Targets: items.map(({ given }) => given), NextToken: nextToken };
}

/** Rules that call this function or state machine. */
async function listRuleNames(rules: EventRules, fields: RequestFields): Promise<object> {
  checkBus(fields);
  const arn = fields.text('TargetArn', 1_600);
  const limit = fields.number('Limit', 1, PAGE_MAX) ?? PAGE_MAX;
  const after = decodePage<string>(fields.optionalText('NextToken'), 'string') ?? '';
  const names = rules
    .names('', after, RULES_MAX)
    .filter((name) =>
      rules.require(name).targets.some(({ given }) => (given as { Arn?: unknown }).Arn === arn),
    );
  const { items, nextToken } = page(names.slice(0, limit + 1), limit, (name) => name);
  return { RuleNames: items, NextToken: nextToken };
}

function taggedRule(rules: EventRules, fields: RequestFields): EventRule {
  const arn = fields.text('ResourceARN', 1_600);
  const rule = rules.find(RULE_ARN.exec(arn)?.[1] ?? '');
  if (rule !== undefined) return rule;
  throw new AwsJsonError('ResourceNotFoundException', `There is no rule ${arn.slice(0, 200)}.`);
}

async function tagResource(rules: EventRules, fields: RequestFields): Promise<object> {
  const { name } = taggedRule(rules, fields);
  const added = readTags(fields);
  await rules.change(name, () => {
    const rule = rules.require(name);
    return { ...rule, tags: addTags(rule.tags ?? [], added) };
  });
  return {};
}

async function untagResource(rules: EventRules, fields: RequestFields): Promise<object> {
  const { name } = taggedRule(rules, fields);
  const gone = new Set(fields.list('TagKeys'));
  await rules.change(name, () => {
    const rule = rules.require(name);
    return { ...rule, tags: (rule.tags ?? []).filter(({ Key }) => !gone.has(Key)) };
  });
  return {};
}

/** There is one bus, whose events are for all apps. */
const BUS = { Name: 'default', Arn: 'arn:aws:events:us-east-1:000000000000:event-bus/default' };

async function describeBus(_rules: EventRules, fields: RequestFields): Promise<object> {
  const name = fields.optionalText('Name') ?? 'default';
  if (BUS_NAME.test(name)) return BUS;
  throw new AwsJsonError(
    'ResourceNotFoundException',
    `Event bus ${name.slice(0, 100)} does not exist; there is \`default\`.`,
  );
}

async function listBuses(_rules: EventRules, fields: RequestFields): Promise<object> {
  return { EventBuses: 'default'.startsWith(fields.optionalText('NamePrefix') ?? '') ? [BUS] : [] };
}

export const RULE_OPERATIONS: Readonly<Record<string, RuleOperation>> = {
  PutRule: putRule,
  DescribeRule: describeRule,
  ListRules: listRules,
  DeleteRule: deleteRule,
  EnableRule: (rules, fields) => setEnabled(rules, fields, true),
  DisableRule: (rules, fields) => setEnabled(rules, fields, false),
  PutTargets: putTargets,
  RemoveTargets: removeTargets,
  ListTargetsByRule: listTargets,
  ListRuleNamesByTarget: listRuleNames,
  TagResource: tagResource,
  UntagResource: untagResource,
  ListTagsForResource: async (rules, fields) => ({ Tags: taggedRule(rules, fields).tags ?? [] }),
  DescribeEventBus: describeBus,
  ListEventBuses: listBuses,
};
