import * as limits from '../src/functions/archive/archive-limits.ts';
import { DEFAULT_RULES, IGNORE_FILE, IgnoreRules } from '../src/functions/archive/ignore-rules.ts';
import { FOLDER_NAME_FILE, NPM_LOCKS } from '../src/functions/archive/packed-folder.ts';
import { encodeTarHeader, TAR_BLOCK_BYTES, tarPadding } from '../src/functions/archive/tar-headers.ts';
import { SKIPPED_FOLDERS } from '../src/functions/build/skipped-folders.ts';
import { ApiError } from './api.ts';
import { bytes, count } from './show.ts';

/*
 * An app's folder, chosen or dropped in the browser, as the tar.gz that the CLI would send: the same files are left out,
 * by the same rules, within the same limits. Two things a browser does not tell: which files may be executed (those that
 * begin as programs do are taken for them), and where packages outside of the folder are; so an app whose packages no
 * lock file of npm names is refused here.
 */

/** What is sent: a folder that was packed, or an archive that somebody else has made. */
export interface PackedApp {
  readonly name: string;
  readonly body: Blob;
  /** Absent: it came as an archive. */
  readonly files?: { readonly count: number; readonly bytes: number };
}

/** What becomes of a choice, once it is wanted. */
export type Packing = () => Promise<PackedApp>;

interface PickedFile {
  /** Within the folder. */
  readonly path: string;
  readonly file: File;
}

const ARCHIVE_NAME = /\.(?:tgz|tar\.gz)$/i;

export function takeArchive(file: File): PackedApp {
  if (!ARCHIVE_NAME.test(file.name))
    throw refused(
      'E_ARCHIVE_INVALID',
      `${file.name} is no .tar.gz.`,
      'Choose the folder itself, or pack it: tar czf app.tar.gz -C FOLDER .',
    );
  if (file.size > limits.ARCHIVE_BYTES_MAX) throw tooLarge(`${file.name} holds ${bytes(file.size)}`);
  return { name: file.name, body: file };
}

/** A folder from a file chooser, which lists all that is in it. */
export async function packChosen(files: Iterable<File>): Promise<PackedApp> {
  const all = Array.from(files, (file) => ({ file, path: file.webkitRelativePath.replace(/^[^/]*\//, '') }));
  const [first] = all;
  if (first === undefined)
    throw refused('E_APP_EMPTY', 'The folder is empty.', 'Choose the folder of an app.');
  const isKept = await keeperOf(all.find(({ path }) => path === IGNORE_FILE)?.file);
  const kept = all.filter(({ path }) => isWanted(path, isKept));
  return pack(first.file.webkitRelativePath.split('/')[0] ?? 'app', kept);
}

/** Must be called within the event of the drop: the browser forgets what it was as soon as that ends. */
export function takeDrop({ items }: DataTransfer): Packing {
  const [item] = items;
  const entry = item?.webkitGetAsEntry();
  const file = item?.getAsFile();
  return async () => {
    if (entry?.isDirectory === true) return packDropped(entry as FileSystemDirectoryEntry);
    if (file !== null && file !== undefined) return takeArchive(file);
    throw refused('E_BAD_REQUEST', 'That is no file.', 'Drop the folder of an app, or a .tar.gz.');
  };
}

/** A folder that was dropped: what is left out is not even listed. */
async function packDropped(folder: FileSystemDirectoryEntry): Promise<PackedApp> {
  const top = await entriesOf(folder);
  const ignoring = top.find(
    (entry): entry is FileSystemFileEntry => entry.isFile && entry.name === IGNORE_FILE,
  );
  const isKept = await keeperOf(ignoring === undefined ? undefined : await fileOf(ignoring));
  const kept: PickedFile[] = [];
  const walk = async (entries: readonly FileSystemEntry[], within: string): Promise<void> => {
    for (const entry of entries) {
      const path = within + entry.name;
      if (!isKept(path, entry.isDirectory)) continue;
      if (path.split('/').length > limits.PATH_DEPTH_MAX) throw tooLarge(`${path} is too deep in it`);
      if (kept.length >= limits.ENTRIES_MAX)
        throw tooLarge(`it has more than ${count(limits.ENTRIES_MAX)} files`);
      if (entry.isDirectory) await walk(await entriesOf(entry as FileSystemDirectoryEntry), `${path}/`);
      else kept.push({ path, file: await fileOf(entry as FileSystemFileEntry) });
    }
  };
  await walk(top, '');
  return pack(folder.name, kept);
}

type Keeper = (path: string, isFolder: boolean) => boolean;

async function keeperOf(ignoring: File | undefined): Promise<Keeper> {
  const rules = new IgnoreRules(DEFAULT_RULES, (await ignoring?.text()) ?? '');
  return (path, isFolder) => {
    const parts = path.split('/');
    const name = parts.at(-1)!;
    if (path === 'node_modules' || (SKIPPED_FOLDERS.has(name) && name !== 'node_modules')) return false;
    // What is within packages that `.lambentignore` brings comes whole.
    return parts.slice(0, -1).includes('node_modules') || !rules.ignores(path, isFolder);
  };
}

/** Whether a file and each folder that it is in are kept. */
function isWanted(path: string, isKept: Keeper): boolean {
  const parts = path.split('/');
  return parts.every((_part, at) => isKept(parts.slice(0, at + 1).join('/'), at < parts.length - 1));
}

async function pack(name: string, files: readonly PickedFile[]): Promise<PackedApp> {
  const sum = files.reduce((total, { file }) => total + file.size, 0);
  if (files.length > limits.ENTRIES_MAX)
    throw tooLarge(`it has more than ${count(limits.ENTRIES_MAX)} files`);
  if (sum > limits.UNPACKED_BYTES_MAX) throw tooLarge(`it holds ${bytes(sum)}`);
  await checkPackages(files);
  const parts: BlobPart[] = [];
  const add = (path: string, content: Blob, isProgram: boolean): void => {
    parts.push(encodeTarHeader(path, content.size, isProgram), content);
    parts.push(new Uint8Array(tarPadding(content.size)));
  };
  try {
    for (const { path, file } of files) add(path, file, await isProgram(file));
    add(FOLDER_NAME_FILE, new Blob([name]), false);
    parts.push(new Uint8Array(2 * TAR_BLOCK_BYTES));
    const packed = new Blob(parts).stream().pipeThrough(new CompressionStream('gzip'));
    const body = await new Response(packed).blob();
    if (body.size > limits.ARCHIVE_BYTES_MAX) throw tooLarge(`it packs to ${bytes(body.size)}`);
    return { name, body, files: { count: files.length, bytes: sum } };
  } catch (thrown) {
    if (thrown instanceof ApiError) throw thrown;
    throw refused(
      'E_ARCHIVE_INVALID',
      'A file of the folder could not be read; it may have changed meanwhile.',
      'Choose the folder again.',
    );
  }
}

/** The server installs from a lock file; without one it would miss what lies in the `node_modules` that is not sent. */
async function checkPackages(files: readonly PickedFile[]): Promise<void> {
  if (files.some(({ path }) => NPM_LOCKS.includes(path))) return;
  const text = await files.find(({ path }) => path === 'package.json')?.file.text();
  if (text === undefined) return;
  let names: readonly string[] = [];
  try {
    const { dependencies = {} } = JSON.parse(text) as { dependencies?: object };
    names = Object.keys(dependencies);
  } catch {
    // The server says what is wrong with it.
  }
  if (names.length > 0)
    throw refused(
      'E_DEPENDENCIES_FAILED',
      `The app needs ${names.slice(0, 3).join(', ')}${names.length > 3 ? ' and others' : ''}, and no package-lock.json says which.`,
      'A browser does not send installed packages. Run `npm install`, which writes package-lock.json, or deploy the folder with the CLI.',
    );
}

/** What begins with `#!`, or as programs of Linux do (ELF). */
async function isProgram(file: File): Promise<boolean> {
  const [first, second, third, fourth] = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  return (
    (first === 0x23 && second === 0x21) ||
    (first === 0x7f && second === 0x45 && third === 0x4c && fourth === 0x46)
  );
}

/** All entries of a folder: a browser gives a hundred at a time. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return all;
    all.push(...some);
    if (all.length > limits.ENTRIES_MAX)
      throw tooLarge(`it has more than ${count(limits.ENTRIES_MAX)} files`);
  }
}

const fileOf = (entry: FileSystemFileEntry): Promise<File> =>
  new Promise((resolve, reject) => entry.file(resolve, reject));

const refused = (code: string, message: string, hint: string): ApiError =>
  new ApiError(0, code, message, hint);

const tooLarge = (why: string): ApiError =>
  refused(
    'E_ARCHIVE_TOO_LARGE',
    `The app is too large: ${why}.`,
    'Leave out what functions do not need, with .lambentignore.',
  );
