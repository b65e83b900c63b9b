import type { SqsSource } from '../../model/message-source.ts';
import { type BrokerLink, LOOK_MS, readUntilAborted } from './broker-source.ts';
import { openSqs, type SqsClient, SqsError } from './sqs-client.ts';
import { type SqsMessage, toMessage } from './sqs-message.ts';

/*
 * A queue of SQS, by long polls. A message is deleted after storing; until then nobody else is given it, which is said
 * anew for as long as storing takes. What was received and not deleted when the platform ended is given again after
 * HIDDEN_S. A message keeps its id for good, so that one that comes again is one event. A message that is stored without its body
 * is deleted too: it would come again and again.
 *
 * One poll is enough for a quiet queue. While answers are full there are more of them at a time, within `prefetch`.
 */

/** What SQS gives and takes at a time, at most. */
const BATCH_MAX = 10;
/** The longest that SQS holds a poll. */
const POLL_S = 20;
/** For how long nobody else is given what was received. */
const HIDDEN_S = 15;
const RENEW_MS = 5_000;

export async function readSqs(link: BrokerLink<SqsSource>): Promise<void> {
  const client = openSqs(link.address, link.context.clock);
  try {
    const reader = new QueueReader(link, client);
    await readUntilAborted(link.signal, reader.lost, reader);
  } finally {
    client.close();
  }
}

class QueueReader {
  readonly #link: BrokerLink<SqsSource>;
  readonly #client: SqsClient;
  readonly #lost = Promise.withResolvers<never>();
  readonly #storing = new Set<Promise<void>>();
  #queueUrl = '';
  #helpers = 0;

  constructor(link: BrokerLink<SqsSource>, client: SqsClient) {
    this.#link = link;
    this.#client = client;
    this.#lost.promise.catch(() => {});
  }

  /** Rejects when the service is lost. */
  get lost(): Promise<never> {
    return this.#lost.promise;
  }

  /** Resolves when all that was received is stored and deleted; rejects when that failed. */
  get taken(): Promise<void> {
    return Promise.all(this.#storing).then(() => {});
  }

  async run(): Promise<void> {
    const { settings, signal, context } = this.#link;
    this.#queueUrl = await this.#client.findQueue(settings.queue);
    await this.#look();
    this.#link.connected();
    const timer = context.clock.every(LOOK_MS, () => void this.#look().catch(this.#lost.reject));
    try {
      while (!signal.aborted) await this.#poll(POLL_S);
    } finally {
      timer.cancel();
    }
  }

  /** Receives once, and stores and deletes that. Tells whether there may be more. */
  async #poll(waitS: number): Promise<boolean> {
    const { settings, signal } = this.#link;
    const most = Math.min(BATCH_MAX, settings.prefetch);
    const input = {
      ...{ QueueUrl: this.#queueUrl, MaxNumberOfMessages: most, WaitTimeSeconds: waitS },
      ...{ VisibilityTimeout: HIDDEN_S, MessageAttributeNames: ['All'] },
      MessageSystemAttributeNames: ['SentTimestamp', 'MessageGroupId'],
    };
    const { Messages: messages = [] } = await this.#client
      .call<{ Messages?: SqsMessage[] }>('ReceiveMessage', input, signal)
      .catch((error: unknown): { Messages?: SqsMessage[] } => {
        // What was received before is still to be stored and deleted.
        if (signal.aborted) return {};
        throw error;
      });
    if (messages.length === 0) return false;
    const isFull = messages.length === most;
    if (isFull) this.#help();
    const storing = this.#storeAndDelete(messages);
    this.#storing.add(storing);
    try {
      await storing;
    } finally {
      this.#storing.delete(storing);
    }
    return isFull;
  }

  /** One more that polls, until it finds less than it could take. */
  #help(): void {
    if ((this.#helpers + 1) * BATCH_MAX >= this.#link.settings.prefetch) return;
    this.#helpers += 1;
    const help = async (): Promise<void> => {
      while (!this.#link.signal.aborted && (await this.#poll(0)));
    };
    void help()
      .catch(this.#lost.reject)
      .finally(() => {
        this.#helpers -= 1;
      });
  }

  async #storeAndDelete(messages: readonly SqsMessage[]): Promise<void> {
    const { context, settings } = this.#link;
    const timer = context.clock.every(
      RENEW_MS,
      () => void this.#hide(messages, HIDDEN_S).catch(this.#lost.reject),
    );
    try {
      await this.#link.storeAtLast(messages.map((message) => toMessage(message, settings.queue)));
    } catch (error) {
      // Whoever reads next need not wait for what was not stored.
      await this.#hide(messages, 0).catch(() => {});
      throw error;
    } finally {
      timer.cancel();
    }
    await this.#forEach('DeleteMessageBatch', messages, {});
  }

  #hide(messages: readonly SqsMessage[], seconds: number): Promise<void> {
    return this.#forEach('ChangeMessageVisibilityBatch', messages, { VisibilityTimeout: seconds });
  }

  async #forEach(action: string, messages: readonly SqsMessage[], more: object): Promise<void> {
    const entries = messages.map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle, ...more }));
    const input = { QueueUrl: this.#queueUrl, Entries: entries };
    const { Failed = [] } = await this.#client.call<{ Failed?: { Code: string; Message?: string }[] }>(
      action,
      input,
    );
    const [failed] = Failed;
    if (failed !== undefined) throw new SqsError(failed.Code, failed.Message ?? action);
  }

  /** Not everybody may ask; then it is not known. */
  async #look(): Promise<void> {
    const name = 'ApproximateNumberOfMessages';
    const input = { QueueUrl: this.#queueUrl, AttributeNames: [name] };
    try {
      const { Attributes } = await this.#client.call<{ Attributes?: Record<string, string> }>(
        'GetQueueAttributes',
        input,
      );
      this.#link.waiting(Number(Attributes?.[name] ?? 0));
    } catch (error) {
      if (!(error instanceof SqsError) || !/AccessDenied/.test(error.kind)) throw error;
    }
  }
}
