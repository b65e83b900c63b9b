import type { HandlerDeps } from './handler.ts';
import type { Invocation } from './invocations.ts';

/** An event holds the body of its request as a whole: this much at most. */
const EVENT_BODY_BYTES_MAX = 64 * 1024 * 1024;

/** Calls back with the whole body, at once when it is here already. */
export function withWholeBody(
  invocation: Invocation,
  deps: Pick<HandlerDeps, 'fail'>,
  then: (body: Buffer) => void,
): void {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const take = (): void => {
    try {
      let piece = invocation.read();
      for (; piece; piece = invocation.read()) {
        bytes += piece.length;
        if (bytes > EVENT_BODY_BYTES_MAX)
          throw new RangeError(
            `the body of the request is over ${EVENT_BODY_BYTES_MAX} bytes, too much for an event`,
          );
        pieces.push(piece);
      }
      if (piece === undefined) {
        invocation.onBody = take;
        return;
      }
    } catch (error) {
      invocation.onBody = undefined;
      if (invocation.cancelled) invocation.end();
      else deps.fail(invocation, error);
      return;
    }
    invocation.onBody = undefined;
    then(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
  };
  take();
}
