import { type BrokerMessage, DEPTH_HEADER, parseDepth } from './broker-message.ts';
import { isOrdered } from './sqs-client.ts';

/** What `send` says of a message in attributes of its own. */
export const ID_ATTRIBUTE = 'lambent-id';
/** `base64`: the body is bytes, which SQS does not take as they are. */
export const ENCODING_ATTRIBUTE = 'lambent-encoding';

export interface SqsMessage {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Body?: string;
  readonly Attributes?: Readonly<Record<string, string>>;
  readonly MessageAttributes?: Readonly<Record<string, SqsAttribute>>;
}

export interface SqsAttribute {
  readonly DataType: string;
  readonly StringValue?: string;
  /** In base64. */
  readonly BinaryValue?: string;
}

export function toMessage(message: SqsMessage, queue: string): BrokerMessage {
  const { MessageId, Body = '', Attributes = {}, MessageAttributes = {} } = message;
  const texts = new Map(
    Object.entries(MessageAttributes).map(([name, { StringValue, BinaryValue }]) => [
      name,
      StringValue ?? BinaryValue ?? '',
    ]),
  );
  const isBytes = texts.get(ENCODING_ATTRIBUTE) === 'base64';
  const group = isOrdered(queue) ? Attributes.MessageGroupId : undefined;
  return {
    id: texts.get(ID_ATTRIBUTE) ?? MessageId,
    ...{ subject: queue, timeMs: Number(Attributes.SentTimestamp), headers: Object.fromEntries(texts) },
    contentType: texts.get('content-type'),
    body: Buffer.from(Body, isBytes ? 'base64' : 'utf8'),
    ...(group === undefined ? {} : { key: group }),
    ...{ depth: parseDepth(texts.get(DEPTH_HEADER)), place: undefined },
  };
}
