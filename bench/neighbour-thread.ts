/** A client of its own, on a thread of its own: it calls a warm function again and again, whatever others do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { type TimedAnswer, timeGet } from './timed-request.ts';

/** An open load: the next call does not wait for the last. */
const EVERY_MS = 5;

const port = parentPort!;
let over = false;
port.once('message', () => {
  over = true;
});
const calls: Promise<TimedAnswer>[] = [];
while (!over) {
  calls.push(timeGet(String(workerData)));
  await sleep(EVERY_MS);
}
port.postMessage(await Promise.all(calls));
