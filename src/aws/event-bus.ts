import type { ResourceTag } from './resource-tags.ts';

/** A bus as it is kept; `default` is there without. */
export interface EventBusValue {
  readonly name: string;
  readonly description: string | undefined;
  /** Absent: none, as in buses that were kept before there were any. */
  readonly tags?: readonly ResourceTag[];
}

/** Its events are for all apps. */
export const DEFAULT_BUS = 'default';

const BUS_ARN = /^arn:[^:]*:events:[^:]*:[^:]*:event-bus\/(.*)$/;

export const busArn = (name: string): string => `arn:aws:events:us-east-1:000000000000:event-bus/${name}`;

/** The name in a name or an ARN. */
export function busNamed(given: string | undefined): string {
  const name = given ?? DEFAULT_BUS;
  return BUS_ARN.exec(name)?.[1] ?? name;
}
