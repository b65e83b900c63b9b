import { busArn, busNamed, DEFAULT_BUS } from './event-bus.ts';
import { busIn, type EventRules, type RuleOperation } from './event-rules.ts';
import { AwsJsonError, invalid, type RequestFields } from './json-protocol.ts';
import { decodePage, page } from './page-token.ts';
import { addTags, readTags } from './resource-tags.ts';

/*
 * Event buses: `default`, whose events are for all apps, and those that clients make. What is put on one of these is heard
 * by its rules, and by triggers of manifests that name it as their `bus`; and what an app shares on a bus of that name, by its
 * rules too.
 */

const PAGE_MAX = 100;
const NAME = /^[A-Za-z0-9._-]{1,256}$/;
/** What else a bus can be made with is not done here. */
const KNOWN = ['Name', 'Description', 'Tags'];

async function createBus(rules: EventRules, fields: RequestFields): Promise<object> {
  const name = fields.text('Name');
  if (!NAME.test(name))
    throw invalid(
      `Value at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]{1,256}`,
    );
  const other = fields.names().find((field) => !KNOWN.includes(field));
  if (other !== undefined)
    throw invalid(`Event buses have no ${other.slice(0, 64)} here, but a name, a description and tags.`);
  const description = fields.optionalText('Description', 512);
  const tags = addTags([], readTags(fields));
  await rules.changeBus(name, (before) => {
    if (name === DEFAULT_BUS || before !== undefined)
      throw new AwsJsonError('ResourceAlreadyExistsException', `Event bus ${name} already exists.`);
    return { name, description, tags };
  });
  return { EventBusArn: busArn(name), Description: description };
}

/** One that there is not is deleted already (as at AWS). */
async function deleteBus(rules: EventRules, fields: RequestFields): Promise<object> {
  const name = busNamed(fields.text('Name', 1_600));
  if (name === DEFAULT_BUS) throw invalid('Cannot delete event bus default.');
  await rules.changeBus(name, () => {
    if (rules.names(name, '', '', 1).length > 0)
      throw invalid(`Event bus ${name.slice(0, 256)} can't be deleted since it has rules.`);
    return undefined;
  });
  return {};
}

function describeFields(rules: EventRules, name: string): object {
  return { Name: name, Arn: busArn(name), Description: rules.findBus(name)?.description };
}

async function describeBus(rules: EventRules, fields: RequestFields): Promise<object> {
  return describeFields(rules, busIn(rules, fields, 'Name'));
}

async function listBuses(rules: EventRules, fields: RequestFields): Promise<object> {
  const prefix = fields.optionalText('NamePrefix', 256) ?? '';
  const limit = fields.number('Limit', 1, PAGE_MAX) ?? PAGE_MAX;
  const after = decodePage<string>(fields.optionalText('NextToken'), 'string') ?? '';
  const names = rules.busNames().filter((name) => name.startsWith(prefix) && name > after);
  const { items, nextToken } = page(names.slice(0, limit + 1), limit, (name) => name);
  return { EventBuses: items.map((name) => describeFields(rules, name)), NextToken: nextToken };
}

export const BUS_OPERATIONS: Readonly<Record<string, RuleOperation>> = {
  CreateEventBus: createBus,
  DeleteEventBus: deleteBus,
  DescribeEventBus: describeBus,
  ListEventBuses: listBuses,
};
