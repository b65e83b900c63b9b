import { busNamed, DEFAULT_BUS, type EventBusValue } from './event-bus.ts';
import type { EventRules, RuleOperation, RuleRef } from './event-rules.ts';
import { AwsJsonError, invalid, type RequestFields } from './json-protocol.ts';
import { addTags, readTags, type ResourceTag } from './resource-tags.ts';

/*
 * Tags of rules and of buses that clients made. `default` is not kept anywhere, and has none.
 */

const RULE_ARN = /^arn:[^:]*:events:[^:]*:[^:]*:rule\/(?:([A-Za-z0-9._-]{1,256})\/)?([A-Za-z0-9._-]{1,64})$/;
const BUS_ARN = /^arn:[^:]*:events:[^:]*:[^:]*:event-bus\/[A-Za-z0-9._-]{1,256}$/;

interface Tagged {
  tags(): readonly ResourceTag[];
  change(change: (before: readonly ResourceTag[]) => readonly ResourceTag[]): Promise<void>;
}

/** What the ARN names. `ResourceNotFoundException`. */
function taggedIn(rules: EventRules, fields: RequestFields): Tagged {
  const arn = fields.text('ResourceARN', 1_600);
  const rule = RULE_ARN.exec(arn);
  if (rule !== null) {
    const ref = { bus: rule[1] ?? DEFAULT_BUS, name: rule[2]! };
    if (rules.find(ref) !== undefined) return taggedRule(rules, ref);
  } else if (BUS_ARN.test(arn)) {
    const name = busNamed(arn);
    if (rules.hasBus(name)) return taggedBus(rules, name);
  }
  throw new AwsJsonError('ResourceNotFoundException', `There is no rule or event bus ${arn.slice(0, 200)}.`);
}

function taggedRule(rules: EventRules, ref: RuleRef): Tagged {
  return {
    tags: () => rules.require(ref).tags ?? [],
    change: (change) =>
      rules.change(ref, () => {
        const rule = rules.require(ref);
        return { ...rule, tags: change(rule.tags ?? []) };
      }),
  };
}

function taggedBus(rules: EventRules, name: string): Tagged {
  const find = (): EventBusValue | undefined => rules.findBus(name);
  return {
    tags: () => find()?.tags ?? [],
    async change(change) {
      if (name === DEFAULT_BUS) throw invalid('Event bus default has no tags here.');
      await rules.changeBus(name, (before) => {
        // It may have been deleted since the call was read.
        rules.requireBus(name);
        return { ...before!, tags: change(before!.tags ?? []) };
      });
    },
  };
}

async function tagResource(rules: EventRules, fields: RequestFields): Promise<object> {
  const added = readTags(fields);
  await taggedIn(rules, fields).change((before) => addTags(before, added));
  return {};
}

async function untagResource(rules: EventRules, fields: RequestFields): Promise<object> {
  const gone = new Set(fields.list('TagKeys'));
  await taggedIn(rules, fields).change((before) => before.filter(({ Key }) => !gone.has(Key)));
  return {};
}

export const TAG_OPERATIONS: Readonly<Record<string, RuleOperation>> = {
  TagResource: tagResource,
  UntagResource: untagResource,
  ListTagsForResource: async (rules, fields) => ({ Tags: taggedIn(rules, fields).tags() }),
};
