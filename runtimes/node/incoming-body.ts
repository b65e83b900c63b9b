import type { Invocation } from './invocations.ts';
import type { IncomingBody } from './web-body.ts';

/** The body of a request, as it comes over the channel. */
export class InvocationBody implements IncomingBody {
  readonly #invocation: Invocation;

  constructor(invocation: Invocation) {
    this.#invocation = invocation;
  }

  takeComplete(): Buffer | undefined {
    if (!this.#invocation.bodyComplete) return undefined;
    const pieces: Buffer[] = [];
    for (let piece = this.#invocation.read(); piece; piece = this.#invocation.read()) pieces.push(piece);
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  collect(): Promise<Buffer> {
    const complete = this.takeComplete();
    if (complete !== undefined) return Promise.resolve(complete);
    const invocation = this.#invocation;
    const pieces: Buffer[] = [];
    return new Promise((resolve, reject) => {
      const take = (): void => {
        try {
          let piece = invocation.read();
          for (; piece; piece = invocation.read()) pieces.push(piece);
          if (piece === undefined) return;
          invocation.onBody = undefined;
          resolve(Buffer.concat(pieces));
        } catch (error) {
          invocation.onBody = undefined;
          reject(error as Error);
        }
      };
      invocation.onBody = take;
      take();
    });
  }

  stream(): ReadableStream<Uint8Array> {
    const invocation = this.#invocation;
    const pull = (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> | undefined => {
      const piece = invocation.read();
      if (piece === undefined) {
        return new Promise((resolve, reject) => {
          invocation.onBody = () => {
            invocation.onBody = undefined;
            Promise.resolve()
              .then(() => pull(controller))
              .then(resolve, reject);
          };
        });
      }
      if (piece === null) controller.close();
      else controller.enqueue(new Uint8Array(piece));
      return undefined;
    };
    return new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 0 });
  }
}
