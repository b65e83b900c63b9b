import { createHash } from 'node:crypto';
import type { LambentError } from '../base/errors.ts';

/*
 * An error as a page: for a person whose browser opened an address of the platform. It has no script, and what it says
 * is written as text.
 */

const STYLE = `
:root { color-scheme: light dark }
body { margin: 12vh auto 0; max-width: 36rem; padding: 0 1.5rem; font: 16px/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText }
h1 { font-size: 1.3rem } p { overflow-wrap: anywhere } a { color: LinkText } code { font: 13px ui-monospace, monospace; opacity: .8 }
`;

const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(STYLE, 'utf8').digest('base64')}'`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
};

/** Whether a browser opens the address, rather than a program or a page's script. */
export function wantsPage(request: Request): boolean {
  return request.method === 'GET' && /\btext\/html\b/i.test(request.headers.get('accept') ?? '');
}

export function errorPage(error: LambentError, requestId: string, consolePath: string): Response {
  const { status } = error.facts;
  const title =
    status === 404 ? 'There is nothing here' : status === 401 ? 'Sign in first' : 'This cannot be shown';
  const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${title} · Lambent</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p>${asText(error.message)}</p>
<p>${asText(error.hint)}</p>
<p><a href="${consolePath}">Open the console</a></p>
<p><code>${status} ${error.code}, request ${asText(requestId)}</code></p>
</main>
</body>
</html>
`;
  return new Response(body, { status, headers: HEADERS });
}

const SIGNS: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const asText = (text: string): string => text.replaceAll(/[&<>"]/g, (sign) => SIGNS[sign]!);
