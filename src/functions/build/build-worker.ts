/**
 * The builder process: takes build jobs over IPC and answers each. It exists because the bundler is native code:
 * hostile sources may crash or stall it, and then this process dies and not the platform.
 */
import { toBuildFault } from './build-faults.ts';
import type { BuilderReply, BuilderRequest } from './build-job.ts';

// Loaded at once, so that it is there when the first job arrives; not imported statically, so that no job that
// arrives meanwhile meets a process without a listener.
const bundler = import('./bundle-function.ts');

const send = (reply: BuilderReply): void => {
  // The platform may be gone already: then nobody waits.
  process.send?.(reply, () => {});
};

process.on('message', async ({ id, job }: BuilderRequest) => {
  try {
    const { bundleFunction } = await bundler;
    send({ id, output: await bundleFunction(job) });
  } catch (thrown) {
    send({ id, fault: toBuildFault(thrown, job) });
  }
});
// The platform is gone or wants this to end: at once, whatever the bundler's threads are doing.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// Ctrl-C reaches the whole terminal group; the platform decides when this process ends.
process.on('SIGINT', () => {});
