/** For tests: the Go of this machine, and programs built from fixtures of the module. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const MODULE_DIR = import.meta.dirname;
/** Older ones lack what the module uses of the standard library. */
const GO_MINOR_MIN = 22;

const run = promisify(execFile);

function findGo(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/local/go/bin'];
  return folders.map((folder) => join(folder, 'go')).find((path) => existsSync(path));
}

/** The go command; `undefined` where there is none that is new enough. */
export const go: string | undefined = ((): string | undefined => {
  const program = findGo();
  if (program === undefined) return undefined;
  const version = execFileSync(program, ['env', 'GOVERSION'], { encoding: 'utf8' });
  return Number(/^go1\.(\d+)/.exec(version)?.[1] ?? 0) >= GO_MINOR_MIN ? program : undefined;
})();

/** What tests of Go are skipped with, said so that a reader of the report sees it. */
export const WITHOUT_GO: string | false =
  go === undefined ? `Go 1.${GO_MINOR_MIN} or newer is not installed: functions in Go are not tested` : false;

/** Go's caches of this machine, for programs that run with another home: without them it compiles its library anew. */
export const GO_CACHES: Readonly<Record<string, string>> =
  go === undefined
    ? {}
    : (JSON.parse(
        execFileSync(go, ['env', '-json', 'GOCACHE', 'GOMODCACHE'], { encoding: 'utf8' }),
      ) as Record<string, string>);

export async function runGo(args: readonly string[], cwd: string = MODULE_DIR): Promise<string> {
  const { stdout, stderr } = await run(go!, args, {
    cwd,
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' },
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout + stderr;
}
