/**
 * Runs a whole web server, in any language, unmodified: starts the author's command with `PORT` in its environment,
 * waits until it listens there, and passes requests on over the loopback of the instance, many at once. See
 * child/shim.ts.
 */
import { join } from 'node:path';
import type { BootMessage } from '../../src/model/frames.ts';
import { serveCalls } from '../child/calls-server.ts';
import { describeEnd, Shim } from '../child/shim.ts';
import { RuntimeFailure } from '../node/failure.ts';
import type { Handler } from '../node/handler.ts';
import { deliverEvent } from './deliver-event.ts';
import { findListener, findPort } from './free-port.ts';
import { ServerProxy } from './server-proxy.ts';
import { untilReady } from './readiness.ts';
import { isUpgrade, proxyUpgrade } from './upgrade.ts';

async function boot(message: BootMessage, shim: Shim): Promise<Handler> {
  const { argv, port: fixedPort, readyPath } = message.command!;
  if (fixedPort !== undefined && (await findListener(fixedPort)) !== undefined)
    throw new RuntimeFailure(
      'E_BOOT_FAILED',
      'PortTaken',
      `port ${fixedPort} is taken: leave \`port\` out of the manifest and let the server listen on $PORT`,
    );
  const port = fixedPort ?? (await findPort());
  const callsAddress = await serveCalls(shim.calls, shim.invocations);
  const proxy = new ServerProxy(port, (invocation, thrown) => shim.failUnlessEnding(invocation, thrown));
  const ended = new Promise<never>((_resolve, reject) => {
    const program = shim.start(
      {
        command: argv as [string, ...string[]],
        cwd: join(message.codeDir, message.entry),
        env: {
          // Where servers look for the address that they should listen on: nobody but this process is to reach it.
          HOST: '127.0.0.1',
          HOSTNAME: '127.0.0.1',
          ...message.env,
          PORT: String(port),
          LAMBENT_CALLS: `http://${callsAddress}/lambent/calls/`,
        },
      },
      (end) => {
        const said =
          program.lastLines.length === 0 ? '' : `; its last lines: ${program.lastLines.join(' | ')}`;
        const what = `${argv.join(' ')} ${describeEnd(end)} before it listened on port ${port}${said}`;
        reject(new RuntimeFailure('E_BOOT_FAILED', 'CommandEnded', what));
      },
    );
  });
  proxy.host = await Promise.race([untilReady(port, readyPath, message.startMs), ended]);
  return {
    kind: 'server',
    onHttp: (invocation) =>
      isUpgrade(invocation) ? proxyUpgrade(proxy, invocation) : proxy.pass(invocation),
    onEvent: (invocation) => deliverEvent(proxy, invocation, shim),
  };
}

new Shim(boot).wait();
