import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Removes what was used least recently (by its time of change) until `keptMax` folders are left. */
export async function dropLeastUsed(
  folder: string,
  keptMax: number,
  counts: (name: string) => boolean = () => true,
): Promise<void> {
  const names = (await readdir(folder)).filter(counts);
  if (names.length <= keptMax) return;
  const usedMsOf = async (name: string): Promise<number> => {
    try {
      return (await stat(join(folder, name))).mtimeMs;
    } catch {
      // It went by itself meanwhile.
      return 0;
    }
  };
  const aged = await Promise.all(names.map(async (name) => ({ name, usedMs: await usedMsOf(name) })));
  aged.sort((left, right) => right.usedMs - left.usedMs);
  for (const { name } of aged.slice(keptMax)) await rm(join(folder, name), { recursive: true, force: true });
}
