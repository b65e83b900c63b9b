import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * The few files of the system that instances see: the shared libraries that the runtimes need, a shell (for
 * `child_process.exec` and its like in other languages), and an `/etc` that names nobody. They are copies in a folder
 * of their own; the system's `/usr` stays outside.
 */

/** The user that a function sees itself as. Outside it is another one. */
export const INNER_UID = 1000;

/** Libraries that packages with native code expect of any system, beside those that Node.js itself needs. */
const COMMON_LIBRARIES = ['libz.so.1', 'librt.so.1', 'libutil.so.1', 'libresolv.so.2', 'libcrypt.so.1'];
const LIBRARY_FOLDERS = ['/lib', '/usr/lib', '/lib64', '/usr/lib64'].flatMap((folder) => [
  `${folder}/${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`,
  folder,
]);
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';
/** Links of the top folder that many systems have. */
const MERGED = ['lib', 'lib64', 'bin', 'sbin'];
/** Binaries whose libraries are looked up with one call. */
const LDD_FILES_MAX = 500;

const ETC: Readonly<Record<string, string>> = {
  passwd: `function:x:${INNER_UID}:${INNER_UID}::/tmp:/bin/sh\n`,
  group: `function:x:${INNER_UID}:\n`,
  hosts: '127.0.0.1 localhost\n::1 localhost\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
};

export class RuntimeRoot {
  readonly folder: string;
  readonly #known = new Map<string, Promise<void>>();

  /** `folder`: will hold the copies; made when it is missing. */
  constructor(folder: string) {
    this.folder = folder;
  }

  /** Rejects with the file system's errors. */
  async prepare(): Promise<void> {
    await mkdir(join(this.folder, 'etc'), { recursive: true });
    for (const [name, text] of Object.entries(ETC)) await this.#write(join('etc', name), text);
    for (const name of MERGED) {
      const target = realpathOrUndefined(`/${name}`);
      if (target !== undefined && target !== `/${name}`)
        await symlink(target.slice(1), join(this.folder, name));
    }
    await this.#copy('/bin/sh');
    if (existsSync(CERTIFICATES)) await this.#copy(CERTIFICATES);
    for (const name of COMMON_LIBRARIES) {
      const folder = LIBRARY_FOLDERS.find((candidate) => existsSync(join(candidate, name)));
      if (folder !== undefined) await this.#copy(join(folder, name));
    }
    await this.addLibrariesOf(['/bin/sh', process.execPath]);
  }

  /**
   * Adds the libraries that these files need, and those of binaries in these folders. Only for files of the system and
   * of runtimes: looking at a program's libraries may run it.
   */
  async addLibrariesOf(paths: readonly string[]): Promise<void> {
    await Promise.all(
      paths.map((path) => {
        const known = this.#known.get(path) ?? this.#addLibraries(path);
        this.#known.set(path, known);
        return known;
      }),
    );
  }

  /** Makes place for a mount, where the path leads into what is bound from here. Nothing can be made there later. */
  async addMountPoint(path: string): Promise<void> {
    const top = join(this.folder, path.split('/')[1]!);
    const place = join(this.folder, path);
    if (!existsSync(top) || existsSync(place)) return;
    const isFolder = (await stat(path)).isDirectory();
    await mkdir(isFolder ? place : dirname(place), { recursive: true });
    if (!isFolder) await writeFile(place, '');
  }

  /** Adds a program of the platform's own; resolves with its path inside. */
  async addProgram(name: string, bytes: Uint8Array): Promise<string> {
    const path = join('etc', 'lambent', name);
    await mkdir(dirname(join(this.folder, path)), { recursive: true });
    await writeFile(join(this.folder, path), bytes);
    await chmod(join(this.folder, path), 0o755);
    return `/${path}`;
  }

  /** What is in the root's top folder: folders to be bound, and links to be made. */
  async entries(): Promise<{ folders: string[]; links: (readonly [name: string, target: string])[] }> {
    const entries = await readdir(this.folder, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    const links = entries.filter((entry) => entry.isSymbolicLink());
    return {
      folders,
      links: await Promise.all(
        links.map(async ({ name }) => [name, await readlink(join(this.folder, name))] as const),
      ),
    };
  }

  async #addLibraries(path: string): Promise<void> {
    const binaries = await binariesAt(path);
    for (let at = 0; at < binaries.length; at += LDD_FILES_MAX) {
      // It fails where one of the files is no dynamic binary, and has said all about the others then.
      const { stdout } = await run('ldd', binaries.slice(at, at + LDD_FILES_MAX), { env: {} }).catch(
        (error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }),
      );
      for (const [, library] of stdout.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)) await this.#copy(library!);
    }
  }

  /** Under its own name, in the folder that it is really in, as that is where the links of the top folder lead. */
  async #copy(path: string): Promise<void> {
    const place = join(this.folder, realpathSync(dirname(path)), basename(path));
    if (existsSync(place)) return;
    await mkdir(dirname(place), { recursive: true });
    await copyFile(await realpath(path), place);
    await chmod(place, 0o755);
  }

  async #write(name: string, text: string): Promise<void> {
    await writeFile(join(this.folder, name), text);
    await chmod(join(this.folder, name), 0o644);
  }
}

const ELF_MAGIC = '\x7fELF';

async function binariesAt(path: string): Promise<string[]> {
  if (await isBinary(path)) return [path];
  const found: string[] = [];
  const names = await readdir(path, { recursive: true }).catch(() => []);
  for (const name of names) {
    if (!/\.so(\.|$)|^bin\/|\/bin\//.test(name)) continue;
    if (await isBinary(join(path, name))) found.push(join(path, name));
  }
  return found;
}

async function isBinary(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
      return bytesRead === 4 && buffer.toString('latin1') === ELF_MAGIC;
    } finally {
      await file.close();
    }
  } catch {
    return false;
  }
}

function realpathOrUndefined(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
