import { createHash } from 'node:crypto';
import { DELIVERY_DEFAULTS, type Destination, type Trigger, type TriggerName } from '../model/trigger.ts';

/** A function, workflow or webhook as a destination has a trigger of its own, which only such events reach. */
export function destinationTrigger(
  destination: Destination | undefined,
  owner: Trigger,
): Trigger | undefined {
  if (destination === undefined || destination.kind === 'emit') return undefined;
  const source = { kind: 'destination' } as const;
  if (destination.kind === 'webhook') {
    const { url, secrets } = destination;
    const facts = JSON.stringify([owner.function, url, secrets]);
    const digest = createHash('sha256').update(facts).digest('hex').slice(0, 16);
    const name = `webhook.${digest}` as TriggerName;
    return { name, function: owner.function, source, delivery: DELIVERY_DEFAULTS, starts: destination };
  }
  // Functions and workflows of an app share their names.
  const name = destination.kind === 'function' ? destination.function : destination.workflow;
  return {
    name: `destination.${name}` as TriggerName,
    function: name,
    source,
    delivery: DELIVERY_DEFAULTS,
    starts: destination.kind === 'workflow' ? destination : undefined,
  };
}
