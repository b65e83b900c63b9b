/** Servers that are written in Java: Debian has none of them, so their jars come from where Maven gets its packages. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PROJECTS = fileURLToPath(new URL('./fixtures/java/', import.meta.url));
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'lambent-ci');
const FETCH_MS = 180_000;

export type JavaServer =
  /** The classpath, as `java -cp` takes it. */
  | { readonly classPath: string }
  /** Why there is none here. */
  | { readonly missing: string };

/** The jars of a project in `fixtures/java`, fetched once for each state of it. */
export async function javaServer(project: string): Promise<JavaServer> {
  const pom = join(PROJECTS, project, 'pom.xml');
  const digest = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex');
  const folder = join(CACHE, `${project}-${digest.slice(0, 16)}`);
  const found = { classPath: join(folder, '*') };
  try {
    await run('java', ['-version']);
  } catch {
    return { missing: 'there is no java: apt-get install default-jre-headless' };
  }
  if (await exists(folder)) return found;
  const part = `${folder}.${process.pid}`;
  await mkdir(CACHE, { recursive: true });
  try {
    // Two that fill the same store of packages at the same time might spoil it.
    const goals = ['--quiet', '--batch-mode', '--file', pom, 'dependency:copy-dependencies'];
    await run('flock', [join(CACHE, 'maven.lock'), 'mvn', ...goals, `-DoutputDirectory=${part}`], {
      timeout: FETCH_MS,
    });
    await rename(part, folder);
    return found;
  } catch (error) {
    await rm(part, { recursive: true, force: true });
    if (await exists(folder)) return found;
    const { code, message } = error as NodeJS.ErrnoException;
    return {
      missing: `Maven does not bring ${project} (apt-get install maven): ${code ?? ''} ${message.slice(0, 300)}`,
    };
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
