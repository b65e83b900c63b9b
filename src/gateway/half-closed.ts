import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Defects } from '../base/defects.ts';
import { contained } from './contained.ts';

/**
 * When a caller who ended its side of the connection is looked for: times in milliseconds since something was last
 * written to it. A caller who is gone answers the first look with a reset, which the second one runs into.
 */
const LOOK_AT_MS = [100, 300, 1_000, 10_000, 30_000];
/** Who ended its side and gets nothing for this time counts as gone, where no look is possible. */
const SILENCE_MS_MAX = 60_000;

/** What a look sends while an answer has not begun: an interim answer, which clients take at any time (RFC 9110, 15.2). */
export const LOOK_BEFORE_ANSWER = 'HTTP/1.1 100 Continue\r\n\r\n';
/** What it sends between two chunks: a leading zero of the size of the next one (RFC 9112, 7.1). */
export const LOOK_BETWEEN_CHUNKS = '0';

/**
 * A caller who ended its side (`nc -N`, `shutdown(SHUT_WR)`) may wait for its answer, or have closed the connection:
 * TCP tells both in the same way, until something is sent. So the answer goes on, and meanwhile it is found out by
 * sending what changes nothing for a caller who is there. The socket is destroyed once the caller is known to be gone.
 *
 * @param look the bytes that may be sent at this point of the answer, if there are any
 */
export function watchHalfClosed(
  host: { readonly clock: Clock; readonly defects: Defects },
  socket: Socket,
  look: () => string | undefined,
): void {
  let lookedBytes = 0;
  const takenBytes = (): number => socket.bytesWritten - socket.writableLength - lookedBytes;
  let before = takenBytes();
  let looks = 0;
  let waitedMs = 0;
  const lookAgain = contained(host, socket, () => {
    if (socket.destroyed || socket.writableEnded) return;
    const taken = takenBytes();
    if (taken > before) {
      before = taken;
      looks = 0;
      waitedMs = 0;
    } else if (looks === LOOK_AT_MS.length) {
      socket.destroy();
      return;
    } else {
      // What still waits to be taken finds the same out.
      const bytes = socket.writableLength === 0 ? look() : undefined;
      waitedMs = LOOK_AT_MS[looks]!;
      looks += 1;
      if (bytes !== undefined) {
        lookedBytes += bytes.length;
        socket.write(bytes, 'latin1');
      }
    }
    wait();
  });
  const wait = (): void => {
    const timer = host.clock.after((LOOK_AT_MS[looks] ?? SILENCE_MS_MAX) - waitedMs, () => {
      socket.off('close', timer.cancel);
      lookAgain();
    });
    socket.once('close', timer.cancel);
  };
  wait();
}
