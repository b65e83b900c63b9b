import { compilePattern } from '../model/event-pattern.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { StateMachineStore, StoredObject } from '../ports/state-machine-store.ts';
import type { TriggerSupply } from '../ports/trigger-supply.ts';
import { busNamed, DEFAULT_BUS, type EventBusValue } from './event-bus.ts';
import { AwsJsonError, invalid, type RequestFields } from './json-protocol.ts';
import { decodePage, page } from './page-token.ts';
import { addTags, readTags } from './resource-tags.ts';
import { parseTarget } from './rule-target.ts';
import { type EventRule, type RuleTargetValue, ruleArn, scheduleOf, triggersOf } from './rule-triggers.ts';

/*
 * Rules and their targets. All are in memory, each with the triggers that it means; an operation changes the store
 * first, and one after another, so that two at once do not undo each other.
 */

/** Rules of one bus, targets of a rule, and targets in one call (AWS' own figures). */
const RULES_MAX = 300;
const TARGETS_MAX = 5;
/** Buses besides `default` (AWS' own figure). */
const BUSES_MAX = 100;
/** Rules that are read at a time. */
const READ_AT_ONCE = 500;
const TARGETS_AT_ONCE_MAX = 100;
const PAGE_MAX = 100;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** What a rule is known by. */
export interface RuleRef {
  readonly bus: string;
  readonly name: string;
}

/** Its key in the store: names have no slash. */
function keyOf({ bus = DEFAULT_BUS, name }: Partial<RuleRef> & { readonly name: string }): string {
  return bus === DEFAULT_BUS ? name : `${bus}/${name}`;
}

/** The bus that the field names, which there is. `ResourceNotFoundException`. */
export function busIn(rules: EventRules, fields: RequestFields, field = 'EventBusName'): string {
  const name = busNamed(fields.optionalText(field, 1_600));
  rules.requireBus(name);
  return name;
}

interface Kept {
  readonly rule: EventRule;
  readonly triggers: ReturnType<typeof triggersOf>;
}

export type RuleOperation = (rules: EventRules, fields: RequestFields) => Promise<object>;

export class EventRules implements TriggerSupply {
  readonly liveApps: LiveApps;
  readonly #store: StateMachineStore;
  /** By their keys. */
  readonly #rules = new Map<string, Kept>();
  readonly #buses = new Map<string, EventBusValue>();
  readonly #listeners = new Set<() => void>();
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(store: StateMachineStore, liveApps: LiveApps) {
    this.#store = store;
    this.liveApps = liveApps;
  }

  static async open(store: StateMachineStore, liveApps: LiveApps): Promise<EventRules> {
    const rules = new EventRules(store, liveApps);
    for (let after: string | undefined = ''; after !== undefined; ) {
      const some: readonly StoredObject[] = await store.list('eventRule', '', after, READ_AT_ONCE);
      for (const { value } of some) rules.#keep(value as EventRule);
      after = some.length < READ_AT_ONCE ? undefined : some.at(-1)!.key;
    }
    for (const { value } of await store.list('eventBus', '', '', BUSES_MAX))
      rules.#buses.set((value as EventBusValue).name, value as EventBusValue);
    return rules;
  }

  list(): Kept['triggers'] {
    return [...this.#rules.values()].flatMap(({ triggers }) => triggers);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  hasBus(name: string): boolean {
    return name === DEFAULT_BUS || this.#buses.has(name);
  }

  requireBus(name: string): void {
    if (!this.hasBus(name))
      throw new AwsJsonError('ResourceNotFoundException', `Event bus ${name.slice(0, 256)} does not exist.`);
  }

  findBus(name: string): EventBusValue | undefined {
    return this.#buses.get(name);
  }

  /** In their order. */
  busNames(): string[] {
    return [DEFAULT_BUS, ...this.#buses.keys()].toSorted();
  }

  find(ref: RuleRef): EventRule | undefined {
    return this.#rules.get(keyOf(ref))?.rule;
  }

  require(ref: RuleRef): EventRule {
    const rule = this.find(ref);
    if (rule !== undefined) return rule;
    const message = `Rule ${ref.name.slice(0, 100)} does not exist on EventBus ${ref.bus}.`;
    throw new AwsJsonError('ResourceNotFoundException', message);
  }

  /** Of one bus, in the order of their names, from after `after`. */
  names(bus: string, prefix: string, after: string, limit: number): string[] {
    return [...this.#rules.values()]
      .filter(({ rule }) => (rule.bus ?? DEFAULT_BUS) === bus)
      .map(({ rule }) => rule.name)
      .filter((name) => name.startsWith(prefix) && name > after)
      .toSorted()
      .slice(0, limit);
  }

  /** Puts what `change` makes of a rule in its place; durable when it resolves. `undefined` removes it. */
  async change(
    ref: RuleRef,
    change: (before: EventRule | undefined) => EventRule | undefined,
  ): Promise<void> {
    await this.#inTurn(async () => {
      const key = keyOf(ref);
      const before = this.find(ref);
      const after = change(before);
      if (after === before) return;
      // It may have been deleted since the call was read.
      this.requireBus(ref.bus);
      if (before === undefined && this.names(ref.bus, '', '', RULES_MAX).length === RULES_MAX)
        throw new AwsJsonError(
          'LimitExceededException',
          `Event bus ${ref.bus} has ${RULES_MAX} rules; no more are taken.`,
        );
      if (after === undefined) {
        await this.#store.remove([{ kind: 'eventRule', key }]);
        this.#rules.delete(key);
      } else {
        await this.#store.put([{ kind: 'eventRule', key, value: after }]);
        this.#keep(after);
      }
      for (const listener of this.#listeners) listener();
    });
  }

  /** The same of a bus. */
  async changeBus(
    name: string,
    change: (before: EventBusValue | undefined) => EventBusValue | undefined,
  ): Promise<void> {
    await this.#inTurn(async () => {
      const before = this.#buses.get(name);
      const after = change(before);
      if (after === before) return;
      if (before === undefined && this.#buses.size >= BUSES_MAX)
        throw new AwsJsonError(
          'LimitExceededException',
          `There are ${BUSES_MAX} event buses; no more are taken.`,
        );
      if (after === undefined) {
        await this.#store.remove([{ kind: 'eventBus', key: name }]);
        this.#buses.delete(name);
      } else {
        await this.#store.put([{ kind: 'eventBus', key: name, value: after }]);
        this.#buses.set(name, after);
      }
    });
  }

  async #inTurn(change: () => Promise<void>): Promise<void> {
    const turn = this.#changing.then(change);
    this.#changing = turn.catch(() => {});
    await turn;
  }

  #keep(rule: EventRule): void {
    this.#rules.set(keyOf(rule), { rule, triggers: triggersOf(rule) });
  }
}

function ruleIn(rules: EventRules, fields: RequestFields, field: string): RuleRef {
  const bus = busIn(rules, fields);
  const name = fields.text(field);
  if (NAME.test(name)) return { bus, name };
  throw invalid(
    `Value at '${field}' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+`,
  );
}

/** Targets stay when a rule is put again; all else is as it was said last (as at AWS). */
async function putRule(rules: EventRules, fields: RequestFields): Promise<object> {
  const ref = ruleIn(rules, fields, 'Name');
  const pattern = fields.optionalText('EventPattern', 4_096);
  const schedule = fields.optionalText('ScheduleExpression', 256);
  if (!pattern && !schedule)
    throw invalid('Parameter(s) EventPattern or ScheduleExpression must be specified.');
  const given = readTags(fields);
  const { bus, name } = ref;
  if (schedule && bus !== DEFAULT_BUS)
    throw invalid('ScheduleExpression is supported only on the default event bus.');
  const when = schedule ? scheduleOf(schedule) : undefined;
  const parsed = pattern ? parsePattern(pattern) : undefined;
  if (parsed !== undefined) compilePattern(parsed);
  const state = fields.choice('State', ['ENABLED', 'DISABLED']);
  const description = fields.optionalText('Description', 512);
  const roleArn = fields.optionalText('RoleArn', 1_600);
  await rules.change(ref, (before) => ({
    ...(bus === DEFAULT_BUS ? {} : { bus }),
    ...{ name, pattern, parsed, schedule, when, description, roleArn },
    isEnabled: state === 'ENABLED',
    targets: before?.targets ?? [],
    // Those of a new rule; of one that is there, TagResource changes them.
    tags: before === undefined ? addTags([], given) : (before.tags ?? []),
  }));
  return { RuleArn: ruleArn(rules.require(ref)) };
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
    ...{ Name: rule.name, Arn: ruleArn(rule), EventBusName: rule.bus ?? DEFAULT_BUS },
    State: rule.isEnabled ? 'ENABLED' : 'DISABLED',
    ...{ EventPattern: rule.pattern, ScheduleExpression: rule.schedule },
    ...{ Description: rule.description, RoleArn: rule.roleArn },
  };
}

async function describeRule(rules: EventRules, fields: RequestFields): Promise<object> {
  return describeFields(rules.require(ruleIn(rules, fields, 'Name')));
}

async function listRules(rules: EventRules, fields: RequestFields): Promise<object> {
  const bus = busIn(rules, fields);
  const limit = fields.number('Limit', 1, PAGE_MAX) ?? PAGE_MAX;
  const after = decodePage<string>(fields.optionalText('NextToken'), 'string') ?? '';
  const names = rules.names(bus, fields.optionalText('NamePrefix', 64) ?? '', after, limit + 1);
  const { items, nextToken } = page(names, limit, (name) => name);
  return { Rules: items.map((name) => describeFields(rules.require({ bus, name }))), NextToken: nextToken };
}

async function deleteRule(rules: EventRules, fields: RequestFields): Promise<object> {
  await rules.change(ruleIn(rules, fields, 'Name'), (before) => {
    if ((before?.targets.length ?? 0) > 0) throw invalid("Rule can't be deleted since it has targets.");
    return undefined;
  });
  return {};
}

async function setEnabled(rules: EventRules, fields: RequestFields, isEnabled: boolean): Promise<object> {
  const ref = ruleIn(rules, fields, 'Name');
  await rules.change(ref, () => ({ ...rules.require(ref), isEnabled }));
  return {};
}

/** Targets stand or fall one by one; one with the id of another takes its place. */
async function putTargets(rules: EventRules, fields: RequestFields): Promise<object> {
  const ref = ruleIn(rules, fields, 'Rule');
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
  await rules.change(ref, () => {
    const rule = rules.require(ref);
    const targets = new Map([...rule.targets, ...taken].map((target) => [target.id, target]));
    if (targets.size > TARGETS_MAX)
      throw new AwsJsonError('LimitExceededException', `A rule has at most ${TARGETS_MAX} targets.`);
    return { ...rule, targets: [...targets.values()] };
  });
  return { FailedEntryCount: failed.length, FailedEntries: failed };
}

async function removeTargets(rules: EventRules, fields: RequestFields): Promise<object> {
  const ref = ruleIn(rules, fields, 'Rule');
  const ids = new Set(fields.list('Ids'));
  const failed: object[] = [];
  await rules.change(ref, () => {
    const rule = rules.require(ref);
    for (const id of ids)
      if (!rule.targets.some((target) => target.id === id))
        failed.push({
          TargetId: id,
          ErrorCode: 'ResourceNotFoundException',
          ErrorMessage: `Rule ${rule.name} has no such target.`,
        });
    return { ...rule, targets: rule.targets.filter(({ id }) => !ids.has(id)) };
  });
  return { FailedEntryCount: failed.length, FailedEntries: failed };
}

async function listTargets(rules: EventRules, fields: RequestFields): Promise<object> {
  const { targets } = rules.require(ruleIn(rules, fields, 'Rule'));
  const limit = fields.number('Limit', 1, PAGE_MAX) ?? PAGE_MAX;
  const after = decodePage<number>(fields.optionalText('NextToken'), 'number') ?? 0;
  const { items, nextToken } = page(targets.slice(after, after + limit + 1), limit, () => after + limit);
  return { Targets: items.map(({ given }) => given), NextToken: nextToken };
}

/** Rules that call this function or state machine. */
async function listRuleNames(rules: EventRules, fields: RequestFields): Promise<object> {
  const bus = busIn(rules, fields);
  const arn = fields.text('TargetArn', 1_600);
  const limit = fields.number('Limit', 1, PAGE_MAX) ?? PAGE_MAX;
  const after = decodePage<string>(fields.optionalText('NextToken'), 'string') ?? '';
  const names = rules
    .names(bus, '', after, RULES_MAX)
    .filter((name) =>
      rules.require({ bus, name }).targets.some(({ given }) => (given as { Arn?: unknown }).Arn === arn),
    );
  const { items, nextToken } = page(names.slice(0, limit + 1), limit, (name) => name);
  return { RuleNames: items, NextToken: nextToken };
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
};
