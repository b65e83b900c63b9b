import type { Clock } from '../../base/clock.ts';
import type { Address } from '../../model/connection.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';
import { checkNamed } from './check-broker.ts';
import { openSqs, type SqsClient, SqsError } from './sqs-client.ts';

export async function* checkSqs(
  address: Address,
  sources: readonly TriggerSource[],
  clock: Clock,
): AsyncGenerator<ConnectionCheck, void, undefined> {
  const client = openSqs(address, clock);
  try {
    await mayBeDenied(client.call('ListQueues', { MaxResults: 1 }));
    yield { name: 'login', ok: true, text: 'The service takes what is signed with this key.' };
    for (const source of sources)
      if (source.kind === 'sqs')
        yield await checkNamed(`queue ${source.queue}`, address, () => lookAt(client, source.queue));
  } finally {
    client.close();
  }
}

/** Receiving would count against the message: each right is tried with a message that there is not. */
async function lookAt(client: SqsClient, queue: string): Promise<string> {
  const entry = { QueueUrl: await client.findQueue(queue), ReceiptHandle: 'none' };
  for (const [action, input] of [
    ['ChangeMessageVisibility', { ...entry, VisibilityTimeout: 0 }],
    ['DeleteMessage', entry],
  ] as const)
    await client.call(action, input).catch((error: unknown) => {
      if (!(error instanceof SqsError) || /AccessDenied/.test(error.kind)) throw error;
    });
  return 'It is there, and what is read of it may be deleted.';
}

/** Whoever is told that they may not was known. */
async function mayBeDenied(asking: Promise<unknown>): Promise<void> {
  await asking.catch((error: unknown) => {
    if (!(error instanceof SqsError) || !/^AccessDenied/.test(error.kind)) throw error;
  });
}
