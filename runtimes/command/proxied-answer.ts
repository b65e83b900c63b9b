import type { IncomingMessage } from 'node:http';
import { BODY_CHUNK_BYTES } from '../../src/model/frames.ts';
import { trailerLines } from '../../src/model/trailers.ts';
import { RuntimeFailure } from '../node/failure.ts';
import type { Invocation } from '../node/invocations.ts';

const EMPTY = new Uint8Array(0);
/** Headers of the connection between this process and the server. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

const { setImmediate } = globalThis;

/** The lines of an answer's headers, without those of the connection. */
export function headerBlockOf(rawHeaders: readonly string[], isUpgrade: boolean): string {
  let block = '';
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) && !(isUpgrade && (lower === 'upgrade' || lower === 'connection'))) continue;
    block += `${name}: ${rawHeaders[at + 1]}\r\n`;
  }
  return block;
}

/** The server's answer on its way to the caller: no faster than that reads, and in one piece where it is short. */
export class ProxiedAnswer {
  readonly #invocation: Invocation;
  readonly #response: IncomingMessage;
  readonly #fail: (thrown: unknown) => void;
  /** What came before the head left. */
  #early: Buffer[] | undefined = [];
  #complete = false;

  constructor(invocation: Invocation, response: IncomingMessage, fail: (thrown: unknown) => void) {
    this.#invocation = invocation;
    this.#response = response;
    this.#fail = fail;
  }

  begin(): void {
    const response = this.#response;
    response.on('data', (chunk: Buffer) => this.#take(chunk));
    response.once('end', () => this.#finish());
    response.once('error', () => this.#broken());
    response.once('close', () => {
      if (!this.#complete) this.#broken();
    });
    // A short answer is here as a whole by then, and leaves in one frame with its head.
    setImmediate(() => this.#sendHead());
  }

  #sendHead(): void {
    const early = this.#early;
    if (early === undefined || this.#invocation.ended) return;
    this.#early = undefined;
    const { statusCode = 502, rawHeaders } = this.#response;
    const block = headerBlockOf(rawHeaders, false);
    const body = early.length === 1 ? early[0]! : Buffer.concat(early);
    const fits = body.length <= BODY_CHUNK_BYTES;
    const first = fits && body.length > 0 ? body : undefined;
    const last = this.#complete && !this.#trails;
    this.#invocation.respond(statusCode, block, first, first?.length ?? 0, last && fits);
    if (!fits) this.#write(body, last);
    if (this.#complete && !last) this.#end();
  }

  #take(chunk: Buffer): void {
    if (this.#early !== undefined) this.#early.push(chunk);
    else this.#write(chunk, false);
  }

  #write(chunk: Uint8Array, last: boolean): void {
    if (this.#invocation.write(chunk, last)) return;
    this.#response.pause();
    void this.#invocation.drained().then(() => this.#response.resume());
  }

  #finish(): void {
    this.#complete = this.#response.complete;
    if (!this.#complete) this.#broken();
    else if (this.#early === undefined) this.#end();
  }

  get #trails(): boolean {
    return this.#response.rawTrailers.length > 0;
  }

  #end(): void {
    if (this.#trails) this.#invocation.trail(trailerLines(this.#response.rawTrailers));
    this.#invocation.write(EMPTY, true);
  }

  #broken(): void {
    if (this.#complete) return;
    this.#complete = true;
    const message = 'the server closed the connection in the middle of its answer';
    this.#fail(new RuntimeFailure('E_FUNCTION_ERROR', 'AnswerBrokenOff', message));
  }
}
