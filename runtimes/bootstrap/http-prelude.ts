import { lambdaHeaderBlock } from '../node/lambda-response.ts';

/** The type of an answer that begins with a head as JSON, eight zero bytes, and then the body. */
const INTEGRATION_TYPE = 'application/vnd.awslambda.http-integration-response';
const SEPARATOR = Buffer.alloc(8);
/** A head with more bytes is refused. */
export const PRELUDE_BYTES_MAX = 128 * 1024;

export function hasPrelude(contentType = ''): boolean {
  return contentType.split(';', 1)[0]!.trim().toLowerCase() === INTEGRATION_TYPE;
}

export interface Prelude {
  readonly status: number;
  /** Lines `name: value\r\n`. */
  readonly block: string;
  /** Where the body begins. */
  readonly bodyAt: number;
}

/** Reads the head; `undefined` while it is not complete. Throws with a message when it is none. */
export function parsePrelude(bytes: Buffer): Prelude | undefined {
  const end = bytes.indexOf(SEPARATOR);
  if (end < 0 && bytes.length <= PRELUDE_BYTES_MAX) return undefined;
  if (end < 0 || end > PRELUDE_BYTES_MAX)
    throw new Error(`the head of the answer has more than ${PRELUDE_BYTES_MAX} bytes`);
  const head = parseHead(bytes.toString('utf8', 0, end));
  const status = head.statusCode ?? 200;
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599)
    throw new Error(`the head of the answer has the statusCode ${JSON.stringify(status)}`);
  const { block, typed } = lambdaHeaderBlock(head);
  return {
    status,
    block: typed ? block : `${block}content-type: application/octet-stream\r\n`,
    bodyAt: end + SEPARATOR.length,
  };
}

function parseHead(text: string): Record<string, unknown> {
  let head: unknown;
  try {
    head = JSON.parse(text === '' ? '{}' : text);
  } catch (thrown) {
    throw new Error(`the head of the answer is not JSON: ${(thrown as Error).message}`);
  }
  if (typeof head === 'object' && head !== null && !Array.isArray(head))
    return head as Record<string, unknown>;
  throw new Error('the head of the answer is not an object');
}
