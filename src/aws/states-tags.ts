import type { StateMachineStore } from '../ports/state-machine-store.ts';
import { AwsJsonError, invalid } from './json-protocol.ts';
import { findMachine } from './state-machines.ts';
import { activityArn, machineArn, parseStatesArn } from './states-arn.ts';
import type { StatesOperation } from './states-operation.ts';

/** Tags of one resource (AWS' own figure). */
const TAGS_MAX = 50;

interface Tag {
  readonly key: string;
  readonly value: string;
}

/** The resource's own ARN, if it is there. */
async function resourceOf(store: StateMachineStore, text: string): Promise<string> {
  const arn = parseStatesArn(text);
  if (arn?.kind === 'stateMachine') {
    await findMachine(store, arn.machine);
    return machineArn(arn.machine);
  }
  if (arn?.kind === 'activity' && (await store.get('activity', arn.name)) !== undefined)
    return activityArn(arn.name);
  if (arn === undefined) throw new AwsJsonError('InvalidArn', `Invalid Arn: '${text.slice(0, 300)}'`);
  throw new AwsJsonError('ResourceNotFound', `Resource not found: '${text}'`);
}

async function tagsOf(store: StateMachineStore, arn: string): Promise<readonly Tag[]> {
  return ((await store.get('tags', arn)) as readonly Tag[] | undefined) ?? [];
}

function readTag(given: unknown): Tag {
  const { key, value = '' } = (given ?? {}) as { key?: unknown; value?: unknown };
  const fits =
    typeof key === 'string' &&
    key.length >= 1 &&
    key.length <= 128 &&
    typeof value === 'string' &&
    value.length <= 256;
  if (!fits)
    throw invalid(
      "Value at 'tags' failed to satisfy constraint: Member must have a key of 1 to 128 and a value of at most 256 characters",
    );
  return { key, value };
}

export const TAG_OPERATIONS: Readonly<Record<string, StatesOperation>> = {
  async TagResource({ store }, fields) {
    const arn = await resourceOf(store, fields.text('resourceArn'));
    const tags = new Map((await tagsOf(store, arn)).map((tag) => [tag.key, tag]));
    for (const tag of fields.list('tags').map(readTag)) tags.set(tag.key, tag);
    if (tags.size > TAGS_MAX)
      throw new AwsJsonError('TooManyTags', `A resource has at most ${TAGS_MAX} tags.`);
    await store.put([{ kind: 'tags', key: arn, value: [...tags.values()] }]);
    return {};
  },
  async UntagResource({ store }, fields) {
    const arn = await resourceOf(store, fields.text('resourceArn'));
    const gone = new Set(fields.list('tagKeys'));
    const left = (await tagsOf(store, arn)).filter(({ key }) => !gone.has(key));
    await store.put([{ kind: 'tags', key: arn, value: left }]);
    return {};
  },
  async ListTagsForResource({ store }, fields) {
    return { tags: await tagsOf(store, await resourceOf(store, fields.text('resourceArn'))) };
  },
};
