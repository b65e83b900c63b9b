import { writeSync } from 'node:fs';
import { systemClock } from '../../base/clock.ts';
import type { InvocationId } from '../../base/ids.ts';
import { silentLog } from '../../base/log.ts';
import type { AppName, FunctionName } from '../../model/function.ts';
import { openStore } from '../store.ts';

/*
 * For the test that kills it: stores invocations without end, several at once, and prints the id of each when it is
 * acknowledged.
 */
const store = await openStore({ folder: process.argv[2]!, clock: systemClock, log: silentLog });
let next = 0;

async function work(): Promise<void> {
  for (;;) {
    next += 1;
    const id = `01a3d0b2-3333-7000-8000-${next.toString(16).padStart(12, '0')}` as InvocationId;
    await store.asyncQueue.enqueue({
      id,
      app: 'shop' as AppName,
      function: 'mail' as FunctionName,
      payload: Buffer.from(`{"n":${next}}`),
      traceparent: undefined,
      acceptedMs: 0,
    });
    writeSync(1, `${id}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, work));
