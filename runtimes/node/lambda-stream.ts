import { Writable } from 'node:stream';
import type { Invocation } from './invocations.ts';
import { lambdaHeaderBlock } from './lambda-response.ts';

/**
 * Response streaming as AWS Lambda has it: `awslambda.streamifyResponse((event, responseStream, context) => …)`,
 * with status and headers set through `awslambda.HttpResponseStream.from(responseStream, { statusCode, headers, cookies })`.
 */

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const EMPTY = new Uint8Array(0);

export function isStreaming(handler: unknown): boolean {
  return (handler as Record<symbol, unknown>)[STREAMING] === 'response';
}

/** Defines the global `awslambda`. */
export function installAwsLambda(): void {
  const awslambda = {
    streamifyResponse(handler: (...args: unknown[]) => unknown): unknown {
      Object.defineProperty(handler, STREAMING, { value: 'response', configurable: true });
      return handler;
    },
    HttpResponseStream: {
      from(stream: AnswerStream, prelude: Record<string, unknown>): AnswerStream {
        stream.setHead(prelude);
        return stream;
      },
    },
  };
  Object.defineProperty(globalThis, 'awslambda', {
    value: awslambda,
    configurable: true,
    enumerable: false,
    writable: true,
  });
}

export interface AnswerStream extends Writable {
  setContentType(type: string): void;
  setHead(prelude: Record<string, unknown>): void;
  /** The handler is done: what it has not ended itself is ended now. */
  closeUnlessEnded(): void;
}

class LambdaAnswerStream extends Writable implements AnswerStream {
  readonly #invocation: Invocation;
  #status = 200;
  #block = '';
  #contentType: string | undefined = 'application/octet-stream';
  #begun = false;

  constructor(invocation: Invocation) {
    super();
    this.#invocation = invocation;
    invocation.onCancel = (reason) => {
      // Nobody may listen for the error: the author's code did nothing wrong.
      if (this.listenerCount('error') === 0) this.on('error', () => {});
      this.destroy(reason);
      invocation.end();
    };
  }

  setContentType(type: string): void {
    this.#contentType = String(type);
  }

  setHead(prelude: Record<string, unknown>): void {
    if (this.#begun) throw new Error('the status and headers must be set before the first write');
    const { block, typed } = lambdaHeaderBlock(prelude);
    this.#status = Number(prelude.statusCode ?? 200);
    this.#block = block;
    if (typed) this.#contentType = undefined;
  }

  closeUnlessEnded(): void {
    if (!this.writableEnded) this.end();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#begin();
    if (this.#invocation.write(chunk, false)) done();
    else this.#invocation.drained().then(() => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#begin();
    this.#invocation.write(EMPTY, true);
    done();
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    if (!this.#invocation.isHttp) {
      this.#invocation.result(EMPTY, false);
      return;
    }
    const type = this.#contentType === undefined ? '' : `content-type: ${this.#contentType}\r\n`;
    this.#invocation.respond(this.#status, this.#block + type, undefined, 0, false);
  }
}

export function createAnswerStream(invocation: Invocation): AnswerStream {
  return new LambdaAnswerStream(invocation);
}
