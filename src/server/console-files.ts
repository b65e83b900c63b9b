import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { ConsoleFile, ConsoleFiles } from '../admin/console.ts';
import { FILES_ROOT } from './platform-version.ts';

/*
 * The built console on this machine. A published package carries it. In a clone it is built beside the server that
 * already serves, the first time and whenever its source has changed; what was built before is served meanwhile.
 */

const FOLDER = fileURLToPath(new URL('console/dist/', FILES_ROOT));
/** Exists in a clone alone, where this file is TypeScript. */
const BUILD = fileURLToPath(new URL(`tools/build-console${extname(import.meta.url)}`, FILES_ROOT));

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

export type ConsoleBuild =
  | { readonly status: 'built'; readonly text: string }
  | { readonly status: 'failed'; readonly text: string };

export interface OpenConsole extends ConsoleFiles {
  /** Builds it if that is needed here. Resolves with what came of it; `undefined`: there was nothing to do, or it was ended. */
  refresh(): Promise<ConsoleBuild | undefined>;
  /** Ends a build that runs. */
  close(): void;
}

export async function openConsoleFiles(): Promise<OpenConsole> {
  let files = await readFiles();
  let stop: (() => void) | undefined;
  let closed = false;
  return {
    find: (name) => files.get(name),
    async refresh() {
      if (!existsSync(BUILD)) return undefined;
      const { code, output } = await run((kill) => {
        stop = kill;
      });
      stop = undefined;
      if ((code === 0 && output === '') || closed) return undefined;
      if (code !== 0) return { status: 'failed', text: output.trim() };
      files = await readFiles();
      return { status: 'built', text: output.trim() };
    },
    close() {
      closed = true;
      stop?.();
    },
  };
}

/** Characters of a build's output that are kept for the person who reads why it failed. */
const OUTPUT_CHARS_MAX = 4_000;

function run(onStarted: (kill: () => void) => void): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [BUILD, '--if-changed'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer): void => {
      if (output.length < OUTPUT_CHARS_MAX) output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => resolve({ code: null, output: error.message }));
    child.on('close', (code) => resolve({ code, output }));
    onStarted(() => child.kill('SIGKILL'));
  });
}

async function readFiles(): Promise<ReadonlyMap<string, ConsoleFile>> {
  const files = new Map<string, ConsoleFile>();
  const names = await readdir(FOLDER).catch(() => []);
  for (const name of names) {
    const contentType = CONTENT_TYPES[extname(name)];
    if (contentType === undefined) continue;
    files.set(name, fileOf(contentType, await readFile(join(FOLDER, name))));
  }
  return files;
}

/** Packed when first asked for: a start should not wait for it. */
function fileOf(contentType: string, bytes: Uint8Array): ConsoleFile {
  let packed: Uint8Array | undefined;
  return {
    contentType,
    bytes,
    get gzip() {
      packed ??= gzipSync(bytes);
      return packed;
    },
  };
}
