import type { Log } from '../base/log.ts';
import type { BuildLine, DeployResult } from '../ports/deployer.ts';
import { toPublicError } from './errors.ts';

/** Build lines that one answer passes on; more are left out, with a line that says so. */
export const BUILD_LINES_MAX = 5_000;
/** Characters of one build line; the rest is cut. */
export const BUILD_LINE_CHARS_MAX = 4_096;

export interface DeployStreamOptions {
  log: Log;
  requestId: string;
  run(onLine: (line: BuildLine) => void): Promise<DeployResult>;
  urlOf(result: DeployResult): string;
}

/**
 * Runs a deployment and tells of it in lines of JSON as they come. The deployment goes on when the caller goes away
 * after the upload: a half-watched deployment must not be a half-done one. What a slow caller has not read yet
 * waits in memory, bounded by the two limits above.
 */
export function streamDeployment(options: DeployStreamOptions): ReadableStream<Uint8Array> {
  const { log, requestId, run, urlOf } = options;
  const encoder = new TextEncoder();
  let gone = false;
  let lines = 0;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (value: object): void => {
        if (!gone) controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
      };
      const onLine = ({ step, text }: BuildLine): void => {
        lines += 1;
        if (lines <= BUILD_LINES_MAX) send({ line: { step, text: text.slice(0, BUILD_LINE_CHARS_MAX) } });
        else if (lines === BUILD_LINES_MAX + 1)
          send({ line: { step, text: '(further lines are left out)' } });
      };
      run(onLine)
        .then(
          (result) => send({ result: { ...result, url: urlOf(result) } }),
          (thrown) => send({ error: toPublicError(thrown, requestId, log).toRecord() }),
        )
        .finally(() => {
          if (!gone) controller.close();
        });
    },
    cancel() {
      gone = true;
    },
  });
}

/**
 * Where a new deployment answers, by the address that the caller used: the server itself, or, for a deployment that
 * serves no traffic yet, its preview host `d12--app.localhost`.
 */
export function deploymentUrl(request: Request, { deployment, live }: DeployResult): string {
  const url = new URL(request.url);
  const authority = request.headers.get('host') ?? url.host;
  if (live.traffic.some(({ number }) => number === deployment.number))
    return `${url.protocol}//${authority}/`;
  const port = /:\d+$/.exec(authority)?.[0] ?? '';
  const host = authority.slice(0, authority.length - port.length);
  // An IP address has no names below it; previews are reached by the loopback names then.
  const parent = /^(?:\[.*\]|[\d.]+)$/.test(host) ? 'localhost' : host;
  return `${url.protocol}//d${deployment.number}--${deployment.app}.${parent}${port}/`;
}
