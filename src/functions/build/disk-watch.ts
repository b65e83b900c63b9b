import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Clock, Timer } from '../../base/clock.ts';

const run = promisify(execFile);

/** Files and folders that a tool's home and all that it writes to may hold. */
const FILES_MAX = 1_000_000;
/** How often the file system is asked how full it is. */
const LOOK_MS = 100;
/**
 * The folders are measured, which takes longer, when it has become fuller by this much (of the limit), or after this
 * time.
 */
const STEP = 1 / 16;
const STEP_FILES = 50_000;
const MEASURE_MS = 10_000;
/** How long measuring may take; then it is tried again. */
const MEASURE_MS_MAX = 60_000;

/**
 * Watches what a tool writes: no kernel interface limits a folder on every file system. What one tool writes between two
 * looks is not held back.
 */
export function watchDisk(
  folders: readonly string[],
  mbMax: number,
  clock: Clock,
  onExceeded: (what: string) => void,
): { cancel(): void } {
  let timer: Timer | undefined;
  let isCancelled = false;
  let measuredMs = clock.monotonicMs();
  let before: { mb: number; files: number } | undefined;
  const look = async (): Promise<void> => {
    const { bavail, bsize, ffree } = await statfs(folders[0]!);
    const free = { mb: (bavail * bsize) / 2 ** 20, files: ffree };
    before ??= free;
    const isFuller = before.mb - free.mb > mbMax * STEP || before.files - free.files > STEP_FILES;
    if (!isFuller && clock.monotonicMs() - measuredMs < MEASURE_MS) return;
    before = free;
    const mb = (await usageOf(folders, '-k')) / 1024;
    const files = await usageOf(folders, '--inodes');
    measuredMs = clock.monotonicMs();
    if (isCancelled) return;
    if (mb > mbMax) onExceeded(`stopped: it wrote more than ${mbMax} MB`);
    else if (files > FILES_MAX) onExceeded(`stopped: it made more than ${FILES_MAX} files`);
  };
  const next = (): void => {
    timer = clock.after(LOOK_MS, () => {
      void look()
        .catch(() => {
          // A folder that goes away while it is measured; the next look counts.
        })
        .finally(() => {
          if (!isCancelled) next();
        });
    });
  };
  next();
  return {
    cancel() {
      isCancelled = true;
      timer?.cancel();
    },
  };
}

/** What folders take together, in kilobytes (`-k`) or files (`--inodes`). */
export async function usageOf(folders: readonly string[], unit: '-k' | '--inodes'): Promise<number> {
  const { stdout } = await run('du', ['-s', '-c', '-x', unit, '--', ...folders], {
    timeout: MEASURE_MS_MAX,
  }).catch((failed: { stdout?: string }) => ({ stdout: failed.stdout ?? '' }));
  return Number(/^(\d+)\s+\S+\n?$/m.exec(stdout.trim().split('\n').at(-1) ?? '')?.[1] ?? 0);
}
