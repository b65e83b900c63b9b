import type { AppName } from '../model/function.ts';
import type { Trigger, TriggerId } from '../model/trigger.ts';
import type { SourcePlan } from './source.ts';

/** What triggers make in services outside, told before it happens and while it is there. */
export interface SourcePlans {
  /** `undefined`: the trigger makes nothing anywhere. */
  find(id: TriggerId, trigger: Trigger): Promise<SourcePlan | undefined>;
  /** What triggers that are not live have left in services outside, and what drops it by hand. */
  left(): Promise<ReadonlyMap<TriggerId, SourcePlan['left']>>;
  /** What is made and dropped when an app gets these triggers, beside those that are live or in their place. */
  changes(
    app: AppName,
    triggers: readonly Trigger[],
    mode: 'beside' | 'in their place',
  ): Promise<SourceChange[]>;
}

export interface SourceChange {
  readonly trigger: TriggerId;
  /** `make` and `drop` happen as soon as the deployment is live and the service can be reached. */
  readonly kind: 'make' | 'drop';
  /** Where: as the manifest calls it. */
  readonly place: string;
  readonly statements: readonly string[];
}

/** For a person, in one line. */
export function describeChange({ trigger, kind, place, statements }: SourceChange): string {
  const does = kind === 'make' ? 'makes' : 'drops';
  return `${trigger} ${does} in ${place}: ${statements.map((statement) => `${statement};`).join(' ')}`;
}
