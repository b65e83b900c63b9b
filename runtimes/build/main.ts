/**
 * Beside a tool of a build that may use the network: opens its way out as a proxy on the loopback, which the tools of
 * every language understand, and ends as the tool ended.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { openLocalProxy } from '../child/local-proxy.ts';

const NOT_STARTED = 127;
/** As shells say that a program was ended by a signal. */
const SIGNAL_CODE_BASE = 128;

const [program, ...args] = process.argv.slice(2) as [string, ...string[]];
const env: NodeJS.ProcessEnv = { ...process.env, ...(await openLocalProxy()) };
// A registry on the machine itself is reached like any other; then the tool's own loopback is not meant.
if (env.LAMBENT_EGRESS_LOOPBACK !== undefined) for (const name of ['NO_PROXY', 'no_proxy']) env[name] = '';
for (const name of ['LAMBENT_EGRESS', 'LAMBENT_EGRESS_LOOPBACK']) delete env[name];
const tool = spawn(program, args, { env, stdio: 'inherit' });
tool.once('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(NOT_STARTED);
});
tool.once('exit', (code, signal) => {
  process.exit(code ?? SIGNAL_CODE_BASE + (signal === null ? 0 : constants.signals[signal]));
});
