import { AwsJsonError, invalid, type RequestFields } from './json-protocol.ts';

/** As EventBridge has them, which writes their fields otherwise than Step Functions. */
export interface ResourceTag {
  readonly Key: string;
  readonly Value: string;
}

/** Tags of one rule or bus (AWS' own figure). */
const TAGS_MAX = 50;

/** Tags in the field `Tags`. `ValidationException`. */
export function readTags(fields: RequestFields): ResourceTag[] {
  return fields.list('Tags').map((given) => {
    const { Key, Value } = (given ?? {}) as { Key?: unknown; Value?: unknown };
    if (typeof Key === 'string' && Key.length >= 1 && Key.length <= 128)
      if (typeof Value === 'string' && Value.length <= 256) return { Key, Value };
    throw invalid(
      "Value at 'tags' failed to satisfy constraint: Member must have a key of 1 to 128 and a value of at most 256 characters",
    );
  });
}

/** Those of a rule or bus with further ones, which take the place of those of the same key. `LimitExceededException`. */
export function addTags(before: readonly ResourceTag[], added: readonly ResourceTag[]): ResourceTag[] {
  const tags = new Map([...before, ...added].map((tag) => [tag.Key, tag]));
  if (tags.size > TAGS_MAX)
    throw new AwsJsonError('LimitExceededException', `At most ${TAGS_MAX} tags are taken.`);
  return [...tags.values()];
}
