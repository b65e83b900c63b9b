import { request } from 'node:http';

const WAIT_MS = 30_000;

export interface TimedAnswer {
  /** 0 where the connection broke, or nothing came in time. */
  readonly status: number;
  /** From the request to the end of the answer, the connection included. */
  readonly tookMs: number;
}

/** One request on a connection of its own. */
export function timeGet(url: string): Promise<TimedAnswer> {
  return new Promise((resolve) => {
    const beginMs = performance.now();
    const end = (status: number): void => resolve({ status, tookMs: performance.now() - beginMs });
    const sent = request(url, { agent: false, timeout: WAIT_MS }, (response) => {
      response.resume().once('end', () => end(response.statusCode!));
    });
    sent.once('timeout', () => sent.destroy());
    sent.once('error', () => end(0));
    sent.end();
  });
}
