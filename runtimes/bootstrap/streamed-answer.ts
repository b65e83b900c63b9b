import type { IncomingMessage } from 'node:http';
import type { FailureMessage } from '../../src/model/frames.ts';
import type { Invocation } from '../node/invocations.ts';
import { hasPrelude, parsePrelude } from './http-prelude.ts';

const EMPTY = new Uint8Array(0);

/** An answer that comes piece by piece: a head where the content type promises one, then the body. */
export class StreamedAnswer {
  readonly #invocation: Invocation;
  readonly #contentType: string | undefined;
  /** The beginning, as long as its head is not complete. */
  #head: Buffer | undefined;
  #begun = false;

  constructor(invocation: Invocation, contentType: string | undefined) {
    this.#invocation = invocation;
    this.#contentType = contentType;
    this.#head = hasPrelude(contentType) ? Buffer.alloc(0) : undefined;
  }

  /** Passes on all of a body, no faster than its reader takes it. Resolves with what was wrong with it. */
  async pump(request: IncomingMessage): Promise<FailureMessage | undefined> {
    let failure: FailureMessage | undefined;
    try {
      // After a failure the rest is read and let go, so that the program hears of its end.
      for await (const chunk of request as AsyncIterable<Buffer>) {
        failure ??= this.take(chunk);
        await this.#invocation.drained();
      }
    } catch {
      failure ??= invalidAnswer('the answer of the program broke off');
    }
    return failure;
  }

  take(chunk: Buffer): FailureMessage | undefined {
    const invocation = this.#invocation;
    if (this.#head === undefined) {
      this.#begin(200, `content-type: ${this.#contentType ?? 'application/octet-stream'}\r\n`);
      invocation.write(chunk, false);
      return undefined;
    }
    this.#head = Buffer.concat([this.#head, chunk]);
    try {
      const prelude = parsePrelude(this.#head);
      if (prelude === undefined) return undefined;
      const body = this.#head.subarray(prelude.bodyAt);
      this.#head = undefined;
      this.#begin(prelude.status, prelude.block);
      if (body.length > 0) invocation.write(body, false);
      return undefined;
    } catch (thrown) {
      return invalidAnswer((thrown as Error).message);
    }
  }

  finish(failure: FailureMessage | undefined): void {
    const invocation = this.#invocation;
    if (invocation.cancelled) return;
    if (failure !== undefined) invocation.fail(failure);
    else if (this.#head !== undefined)
      invocation.fail(invalidAnswer('the answer ended before its head was complete'));
    else {
      this.#begin(200, `content-type: ${this.#contentType ?? 'application/octet-stream'}\r\n`);
      invocation.write(EMPTY, true);
    }
  }

  #begin(status: number, block: string): void {
    if (this.#begun) return;
    this.#begun = true;
    if (this.#invocation.isHttp) this.#invocation.respond(status, block, undefined, 0, false);
    else this.#invocation.result(EMPTY, false);
  }
}

export function invalidAnswer(errorMessage: string): FailureMessage {
  return { code: 'E_FUNCTION_RESPONSE_INVALID', errorType: 'InvalidResponse', errorMessage, stackTrace: [] };
}
