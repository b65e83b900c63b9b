import type { Address } from '../../model/connection.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';
import { explainBrokerFailure } from './broker-failure.ts';

/** Looks at one thing after another; what it throws is the last of them. Must leave nothing open, wherever it ends. */
export type CheckSteps = (
  address: Address,
  sources: readonly TriggerSource[],
) => AsyncGenerator<ConnectionCheck, void, undefined>;

export async function checkBroker(
  steps: CheckSteps,
  address: Address,
  sources: readonly TriggerSource[],
): Promise<ConnectionCheck[]> {
  const checks: ConnectionCheck[] = [];
  try {
    for await (const check of steps(address, sources)) checks.push(check);
  } catch (error) {
    checks.push(explainBrokerFailure(error, address.url));
  }
  return checks;
}

/** Looks at what one trigger reads. `look` tells what it found, and throws what is wrong with that and nothing else. */
export async function checkNamed(
  name: string,
  { url }: Address,
  look: () => Promise<string>,
): Promise<ConnectionCheck> {
  try {
    return { name, ok: true, text: await look() };
  } catch (error) {
    return { ...explainBrokerFailure(error, url, name), name };
  }
}
