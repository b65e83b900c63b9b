import { get } from 'node:http';
import { RuntimeFailure } from '../node/failure.ts';
import { findListener } from './free-port.ts';

/** What the platform waits for a start, where the manifest does not say. */
const START_MS = 20_000;
/** A little less than that, so that the message is this one. */
const SHARE = 0.9;
const PAUSE_FIRST_MS = 5;
const PAUSE_MAX_MS = 100;
/** How long one look at the path may take. */
const PROBE_MS = 2_000;

const { setTimeout } = globalThis;

/**
 * Waits until the server accepts connections on the port and, where a path is given, answers it with a status below
 * 400. Resolves with the address that it listens at. Rejects with E_BOOT_FAILED.
 */
export async function untilReady(
  port: number,
  path: string | undefined,
  startMs = START_MS,
): Promise<string> {
  const readyMs = startMs * SHARE;
  const untilMs = Date.now() + readyMs;
  let pauseMs = PAUSE_FIRST_MS;
  let seen = `does not listen on port ${port} (PORT in its environment)`;
  while (Date.now() < untilMs) {
    const host = await findListener(port);
    if (host !== undefined) {
      const status = path === undefined ? 200 : await probe(host, port, path);
      if (status < 400) return host;
      seen = `answers ${path} with ${status === PROBE_FAILED ? 'no status' : status}`;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2);
  }
  const message = `the server still ${seen} after ${readyMs / 1_000} s (the manifest's \`startTimeout\` sets how long it may take)`;
  throw new RuntimeFailure('E_BOOT_FAILED', 'NotReady', message);
}

const PROBE_FAILED = 599;

function probe(host: string, port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    const request = get({ host, port, path, agent: false, timeout: PROBE_MS }, (response) => {
      response.resume();
      resolve(response.statusCode ?? PROBE_FAILED);
    });
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', () => resolve(PROBE_FAILED));
  });
}
