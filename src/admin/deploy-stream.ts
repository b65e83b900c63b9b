import type { Log } from '../base/log.ts';
import type { AppHosts, PreviewAddress } from '../model/app-hosts.ts';
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
  addressesOf(result: DeployResult): DeploymentAddresses;
}

/**
 * Runs a deployment and tells of it in lines of JSON as they come. The deployment goes on when the caller goes away
 * after the upload: a half-watched deployment must not be a half-done one. What a slow caller has not read yet
 * waits in memory, bounded by the two limits above.
 */
export function streamDeployment(options: DeployStreamOptions): ReadableStream<Uint8Array> {
  const { log, requestId, run, addressesOf } = options;
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
          (result) => send({ result: { ...result, ...addressesOf(result) } }),
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

/** Where a deployment answers. */
export interface DeploymentAddresses {
  /** The server itself while the deployment is live, else that of its preview; absent when that has none. */
  readonly url?: string;
  readonly preview: PreviewAddress;
}

/** Where a new deployment answers a caller who reached the server as this one did. */
export function deploymentAddresses(
  request: Request,
  { deployment, live }: DeployResult,
  hosts: AppHosts,
): DeploymentAddresses {
  const { protocol, host } = new URL(request.url);
  const authority = request.headers.get('host') ?? host;
  const preview = hosts.previewAddress(deployment.app, deployment.number, authority);
  const isLive = live.traffic.some(({ number }) => number === deployment.number);
  const url = isLive ? `${protocol}//${authority}/` : preview.url;
  return url === undefined ? { preview } : { url, preview };
}
