import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BuildBench } from '../build-bench.ts';
import { runTool } from '../run-tool.ts';
import { cachesIn, type GoPlace, type GoToolchain } from './go-toolchain.ts';

/**
 * An app's cache of compiled packages begins with Go's own library, which takes most of a first build's time. It is
 * compiled once for each version of Go, of Go's sources alone, and every app gets a copy: what one app's builds write,
 * no other one's read.
 */

const COMPILE_MS_MAX = 300_000;
/** Of these nearly all programs are made, and they bring most of the rest. */
const PACKAGES = ['net/http', 'encoding/json', 'log/slog', 'database/sql', 'html/template', 'os/exec'];
/** Says that the cache is whole. */
const MARK = 'whole';

const underWay = new Map<string, Promise<void>>();

export async function beginCache(toolchain: GoToolchain, bench: BuildBench, place: GoPlace): Promise<void> {
  const { GOCACHE } = cachesIn(bench.toolsHome);
  if (existsSync(GOCACHE)) return;
  const base = await bench.forAll(`go-${toolchain.version}`);
  const from = cachesIn(base.place.home).GOCACHE;
  const mark = join(dirname(from), MARK);
  if (!existsSync(mark)) {
    let compiling = underWay.get(mark);
    if (compiling === undefined) {
      const args = ['build', '-trimpath', ...PACKAGES];
      const failure = { code: 'E_BUILD_FAILED', hint: 'Read what Go says above.' } as const;
      const there = { ...place, folder: base.place.home, containing: { ...base, network: true } };
      compiling = toolchain
        .run(there, args, failure, { msMax: COMPILE_MS_MAX })
        .then(() => writeFile(mark, ''))
        .finally(() => underWay.delete(mark));
      underWay.set(mark, compiling);
    }
    await compiling;
  }
  await runTool({
    command: ['/bin/sh', '-c', 'cp -r "$1" "$2.new" && mv "$2.new" "$2"', 'begin', from, GOCACHE],
    cwd: bench.toolsHome,
    containing: bench.forTools({ readPaths: [from] }),
    clock: place.clock,
    msMax: COMPILE_MS_MAX,
    onLine: () => {},
    signal: place.signal,
    failure: { code: 'E_BUILD_FAILED', title: 'copying what is compiled of Go', hint: 'Is the disk full?' },
  });
}
