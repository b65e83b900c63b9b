import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { AWS_ALGORITHM, awsSignature, awsTime, scopeText } from '../../base/aws-signature.ts';
import type { Clock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { Address } from '../../model/connection.ts';

/*
 * The protocol of SQS: JSON in signed POST requests (AWS JSON 1.0,
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/). Others speak it as well, ElasticMQ and
 * LocalStack among them.
 */

/** Longer than the longest poll. */
const ANSWER_MS = 30_000;
/** Ten messages of the largest kind, with every character escaped. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const REGION_DEFAULT = 'us-east-1';

/** What the service says. */
export class SqsError extends Error {
  /** As `QueueDoesNotExist`. */
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(`${kind}: ${message}`);
    this.kind = kind;
  }
}

export interface SqsClient {
  /** One action, as `ReceiveMessage`. `SqsError`, or an error of the network. */
  call<Answer>(action: string, input: object, signal?: AbortSignal): Promise<Answer>;
  /** The address of a queue within the service. `code` (default: `E_BROKER_SETUP`) with the command that makes it. */
  findQueue(name: string, code?: 'E_BROKER_SETUP' | 'E_SEND_FAILED'): Promise<string>;
  /** Ends what is under way, and refuses what comes after. */
  close(): void;
}

/** Connections are made as they are needed. */
export function openSqs({ url: address, tls }: Address, clock: Clock): SqsClient {
  const { protocol, host, hostname, pathname, username, password, searchParams } = new URL(address);
  const isTls = protocol === 'https:' || tls !== undefined;
  const url = new URL(`${isTls ? 'https' : 'http'}://${host}${pathname}`);
  const agent = isTls ? new HttpsAgent({ keepAlive: true, ...tls }) : new HttpAgent({ keepAlive: true });
  const region =
    searchParams.get('region') ??
    /(?:^|\.)sqs\.([a-z0-9-]+)\.amazonaws\./.exec(hostname)?.[1] ??
    REGION_DEFAULT;
  let isClosed = false;
  const key = { id: decodeURIComponent(username), secret: decodeURIComponent(password) };
  const call = async <Answer>(action: string, input: object, signal?: AbortSignal): Promise<Answer> => {
    // An agent that is destroyed connects again: what goes on behind the end would read for ever beside the next reader.
    if (isClosed) throw new Error('the connection to the service was closed');
    const body = JSON.stringify(input);
    const signed = [
      ['content-type', 'application/x-amz-json-1.0'],
      ['host', url.host],
      ['x-amz-date', awsTime(clock.nowMs())],
      ['x-amz-target', `AmazonSQS.${action}`],
    ] as const;
    const scope = { secret: key.secret, time: signed[2][1], region, service: 'sqs' };
    const signature = awsSignature({ method: 'POST', url, headers: signed, body }, scope).toString('hex');
    const names = signed.map(([name]) => name).join(';');
    const headers = {
      ...Object.fromEntries(signed),
      // Some that only look like SQS ask for no key.
      ...(key.id === ''
        ? {}
        : {
            authorization: `${AWS_ALGORITHM} Credential=${key.id}/${scopeText(scope)}, SignedHeaders=${names}, Signature=${signature}`,
          }),
      'content-length': String(Buffer.byteLength(body)),
    };
    const send = isTls ? requestHttps : requestHttp;
    const answered = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = send(url, { method: 'POST', headers, agent, signal, timeout: ANSWER_MS }, resolve);
      request.once('timeout', () => request.destroy(new Error('timeout: no answer of the service')));
      request.once('error', reject);
      request.end(body);
    });
    return parseAnswer<Answer>(answered.statusCode ?? 0, await readAnswer(answered));
  };
  return {
    call,
    async findQueue(name, code = 'E_BROKER_SETUP') {
      try {
        return (await call<{ QueueUrl: string }>('GetQueueUrl', { QueueName: name })).QueueUrl;
      } catch (error) {
        if (!(error instanceof SqsError) || !/QueueDoesNotExist|NonExistentQueue/.test(error.kind))
          throw error;
        throw new LambentError(code, `There is no queue ${name}, or the key may not see it.`, {
          hint: `Make it: aws sqs create-queue --queue-name ${name}${isOrdered(name) ? ' --attributes FifoQueue=true' : ''}`,
        });
      }
    },
    close() {
      isClosed = true;
      agent.destroy();
    },
  };
}

/** Whether the queue keeps the order of messages of one group. */
export function isOrdered(queue: string): boolean {
  return queue.endsWith('.fifo');
}

async function readAnswer(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > ANSWER_BYTES_MAX) throw new Error(`an answer is larger than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseAnswer<Answer>(status: number, text: string): Answer {
  let answer: Record<string, unknown>;
  try {
    answer = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
  } catch {
    throw new Error(`HTTP ${status}, and no JSON: what listens there does not speak the protocol of SQS`);
  }
  if (status === 200) return answer as Answer;
  const kind = String(answer.__type ?? `HTTP ${status}`).replace(/^.*#/, '');
  throw new SqsError(kind, String(answer.message ?? answer.Message ?? 'it gives no reason'));
}
