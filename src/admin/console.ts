import { PAGE, PAGE_HEADERS } from './page.ts';
import type { AdminRouter } from './router.ts';

/*
 * Serves the web console: one page, and the files it names. They are the same for everybody and hold no data; all
 * that the console shows it asks of the API like any other client. Until it is built the plain page takes its place.
 */

/** A file of the console as it is sent. */
export interface ConsoleFile {
  readonly contentType: string;
  readonly bytes: Uint8Array;
  /** The same, packed. */
  readonly gzip: Uint8Array;
}

export interface ConsoleFiles {
  /** By its name below the folder, as `main-1a2b3c4d.js`; `undefined`: there is none, or nothing is built. */
  find(name: string): ConsoleFile | undefined;
}

export const CONSOLE_PREFIX = '/_lambent/console/';
export const CONSOLE_PAGE = 'index.html';

/** Names carry a digest of what is in the file, so a browser need never ask again. */
const FOREVER = 'public, max-age=31536000, immutable';

/** Only the console's own files run or style it; nothing is loaded from, sent to, or framed by anyone else. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

export function addConsole(root: AdminRouter, pagePath: string, files: ConsoleFiles): void {
  root.get(pagePath, (c) => {
    const page = files.find(CONSOLE_PAGE);
    if (page === undefined) return c.body(PAGE, 200, PAGE_HEADERS);
    return answer(c.req.raw, page, {
      'content-security-policy': POLICY,
      'cross-origin-opener-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
    });
  });
  root.get(`${CONSOLE_PREFIX}:name`, (c) => {
    const file = files.find(c.req.param('name'));
    return file === undefined ? c.notFound() : answer(c.req.raw, file, { 'cache-control': FOREVER });
  });
}

function answer(request: Request, file: ConsoleFile, headers: Record<string, string>): Response {
  const packed = /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '');
  return new Response(request.method === 'HEAD' ? null : Buffer.from(packed ? file.gzip : file.bytes), {
    headers: {
      ...headers,
      'content-type': file.contentType,
      vary: 'accept-encoding',
      ...(packed ? { 'content-encoding': 'gzip' } : {}),
    },
  });
}
