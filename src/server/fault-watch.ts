import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { currentOwner } from '../base/fault-owner.ts';

const STDERR = 2;
const EXIT_FAILED = 1;

/**
 * Exceptions that nobody caught, in a process that is the platform's own. One that belongs to a source is the source's
 * affair. After any other nobody knows what still holds: the process ends at once, and a supervisor starts it again;
 * everything acknowledged is on the disk.
 */
export function watchFaults(): void {
  process.on('uncaughtException', (thrown) => {
    const owner = currentOwner();
    if (owner !== undefined) {
      owner.onFault(thrown);
      return;
    }
    const text = `Lambent ends: an exception that nobody caught (E_INTERNAL). Start it again, nothing acknowledged is lost; please report this:\n${inspect(thrown)}\n`;
    // What is written later would not be seen.
    writeSync(STDERR, text);
    process.exit(EXIT_FAILED);
  });
}
