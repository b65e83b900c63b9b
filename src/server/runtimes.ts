import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { BlobDigest, FunctionVersion, RuntimeName } from '../model/function.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import type { Secrets } from '../ports/secrets.ts';
import { bundleRuntime } from './bundled-runtime.ts';
import { startGo } from './go-runtime.ts';
import { nodeRuntime } from './node-runtime.ts';
import { bootstrapRuntime, commandRuntime } from './program-runtimes.ts';
import { pythonRuntime } from './python-runtime.ts';
import type { PreparedStart, RuntimeStart } from './runtime-start.ts';

/** One entry a language: whatever occurs in a deployment can be started. */
function createTable(
  dataDir: string,
  clock: Clock,
  making: UnderWay,
): Readonly<Record<RuntimeName, RuntimeStart>> {
  const cacheDir = join(dataDir, 'runtime');
  const program = making.keep(bundleRuntime(cacheDir, 'node'));
  // Whoever needs it first hears of a failure; until then it is nobody's.
  program.catch(() => {});
  return {
    node: nodeRuntime(program),
    go: startGo,
    python: pythonRuntime(join(dataDir, 'runtime-python'), clock),
    bootstrap: bootstrapRuntime(cacheDir),
    command: commandRuntime(cacheDir),
    // It runs in the platform itself, and whoever calls it starts an execution.
    asl: ({ version }) =>
      Promise.reject(new LambentError('E_START_FAILED', `workflow ${version.name} has no instances`)),
  };
}

export interface Starter {
  /** Finds what a version needs on the disk, and how its language is started. */
  prepare(version: FunctionVersion, deployment: number, placedAt?: string): Promise<PreparedStart>;
  /** Resolves when nothing is being written into the data folder any more. */
  close(): Promise<void>;
}

export function createStarter(blobs: BlobStore, dataDir: string, clock: Clock, secrets: Secrets): Starter {
  const making = new UnderWay();
  const table = createTable(dataDir, clock, making);
  const locate = async (digest: BlobDigest, { name }: FunctionVersion): Promise<string> => {
    const folder = await blobs.locate(digest);
    if (folder !== undefined) return folder;
    const message = `the code of function ${name} is missing from the data folder`;
    throw new LambentError('E_START_FAILED', message);
  };
  const prepare: Starter['prepare'] = async (version, deployment, placedAt) => {
    const codeDir = placedAt ?? (await locate(version.code, version));
    const packagesDir = version.packages === undefined ? undefined : await locate(version.packages, version);
    const environment = secrets.environmentOf(version);
    const prepared = await making.keep(table[version.runtime]({ version, deployment, codeDir, packagesDir }));
    // They go over the instance's own channel with everything else that it is told, never into its start.
    const boot = { ...prepared.boot, env: { ...prepared.boot.env, ...environment } };
    return { ...prepared, boot };
  };
  return { prepare, close: () => making.ended(clock) };
}

/** How long a platform that ends waits for what is being made: it cannot be given up, and takes a second or so. */
const MAKING_MS_MAX = 10_000;

/** Programs of runtimes that are being made, for starts that may not wait for them any more. */
class UnderWay {
  readonly #work = new Set<Promise<unknown>>();

  keep<Made>(work: Promise<Made>): Promise<Made> {
    this.#work.add(work);
    const forget = (): void => void this.#work.delete(work);
    work.then(forget, forget);
    return work;
  }

  async ended(clock: Clock): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = clock.after(MAKING_MS_MAX, late.resolve);
    await Promise.race([Promise.allSettled(this.#work), late.promise]);
    timer.cancel();
  }
}
