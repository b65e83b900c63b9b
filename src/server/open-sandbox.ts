import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Sandbox } from '../ports/sandbox.ts';
import { openNamespacesSandbox } from '../sandbox-namespaces/sandbox-namespaces.ts';
import { createProcessSandbox } from '../sandbox-process/sandbox-process.ts';

/** `best`: the strongest that this machine proves to have. `process`: plain processes, without a look at the rest. */
export type IsolationChoice = 'best' | 'process';

const UMASK = 0o022;

/** `dataDir`: the platform's data folder, which is its owner's alone. */
export async function openSandbox(dataDir: string, choice: IsolationChoice, log: Log): Promise<Sandbox> {
  // Instances have users of their own, who must be able to read code and runtimes. Others are kept out by the data
  // folder itself.
  process.umask(UMASK);
  const runDir = join(dataDir, 'run');
  if (choice === 'process') return createProcessSandbox({ runDir, log, advice: undefined });
  const codeRoot = join(dataDir, 'blobs');
  const scratchRoot = join(dataDir, 'scratch');
  const found = await openNamespacesSandbox({ runDir, codeRoot, scratchRoot, clock: systemClock, log });
  if (!('reason' in found)) return found;
  const { reason, advice } = found;
  return createProcessSandbox({
    runDir,
    log,
    advice:
      advice === undefined
        ? `Functions are not isolated because ${reason}.`
        : `${sentence(reason)} ${advice}`,
  });
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
