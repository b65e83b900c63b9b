import type { Duplex } from 'node:stream';
import type { Defects } from '../base/defects.ts';

/**
 * A callback of a connection. What it throws is a defect of ours, and would end the process: it ends this connection
 * instead, and nothing else.
 */
export function contained<Args extends unknown[]>(
  { defects }: { readonly defects: Defects },
  socket: Duplex | undefined,
  task: (...args: Args) => void,
): (...args: Args) => void {
  return (...args) => {
    try {
      task(...args);
    } catch (thrown) {
      defects.note('a connection was served', thrown);
      socket?.destroy();
    }
  };
}
