/** A client of its own, on a thread of its own: it calls a warm function again and again, whatever others do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { type TimedAnswer, timeGet } from './timed-request.ts';

/** An open load: the next call does not wait for the last. */
const EVERY_MS = 5;

const port = parentPort!;
let calls: Promise<TimedAnswer>[] = [];
/** Asked for what it has seen, it answers with all calls since it was last asked. */
port.on('message', async () => {
  const seen = calls;
  calls = [];
  port.postMessage(await Promise.all(seen));
});
for (;;) {
  calls.push(timeGet(String(workerData)));
  await sleep(EVERY_MS);
}
