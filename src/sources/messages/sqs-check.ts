import type { Clock } from '../../base/clock.ts';
import type { Address } from '../../model/connection.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';
import { explainBrokerFailure } from './broker-failure.ts';
import { openSqs, type SqsClient, SqsError } from './sqs-client.ts';

export async function checkSqs(
  address: Address,
  sources: readonly TriggerSource[],
  clock: Clock,
): Promise<ConnectionCheck[]> {
  const checks: ConnectionCheck[] = [];
  const client = openSqs(address, clock);
  try {
    await mayBeDenied(client.call('ListQueues', { MaxResults: 1 }));
    checks.push({ name: 'login', ok: true, text: 'The service takes what is signed with this key.' });
    for (const source of sources)
      if (source.kind === 'sqs') checks.push(await checkOne(client, source.queue, address));
  } catch (error) {
    checks.push(explainBrokerFailure(error, address.url));
  } finally {
    client.close();
  }
  return checks;
}

/** Receiving would count against the message: each right is tried with a message that there is not. */
async function checkOne(client: SqsClient, queue: string, { url }: Address): Promise<ConnectionCheck> {
  const name = `queue ${queue}`;
  try {
    const QueueUrl = await client.findQueue(queue);
    const entry = { QueueUrl, ReceiptHandle: 'none' };
    for (const [action, input] of [
      ['ChangeMessageVisibility', { ...entry, VisibilityTimeout: 0 }],
      ['DeleteMessage', entry],
    ] as const)
      await client.call(action, input).catch((error: unknown) => {
        if (!(error instanceof SqsError) || /AccessDenied/.test(error.kind)) throw error;
      });
    return { name, ok: true, text: 'It is there, and what is read of it may be deleted.' };
  } catch (error) {
    return { ...explainBrokerFailure(error, url, name), name };
  }
}

/** Whoever is told that they may not was known. */
async function mayBeDenied(asking: Promise<unknown>): Promise<void> {
  await asking.catch((error: unknown) => {
    if (!(error instanceof SqsError) || !/^AccessDenied/.test(error.kind)) throw error;
  });
}
