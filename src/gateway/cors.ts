import type { CorsPolicy } from '../model/deployment.ts';

/** Headers that a cross-origin policy sets; the function's own of these names give way to it. */
const CORS_LINE = /^access-control-[a-z-]+: .*\r\n/gim;

function originLines(policy: CorsPolicy, origin: string): string {
  const any = policy.origins.includes('*');
  if (!any && !policy.origins.includes(origin)) return '';
  // A wildcard is not allowed beside credentials (Fetch standard): the origin is named then.
  const shown = any && !policy.credentials ? '*' : origin;
  const credentials = policy.credentials ? 'access-control-allow-credentials: true\r\n' : '';
  return `access-control-allow-origin: ${shown}\r\n${credentials}vary: origin\r\n`;
}

/** Lines to add to an answer; empty without an Origin header or when the origin is not allowed. */
export function corsLines(policy: CorsPolicy | undefined, origin: string | undefined): string {
  if (policy === undefined || origin === undefined) return '';
  const lines = originLines(policy, origin);
  if (lines === '' || policy.exposeHeaders.length === 0) return lines;
  return `${lines}access-control-expose-headers: ${policy.exposeHeaders.join(', ')}\r\n`;
}

/** Lines of the answer to a preflight request (Fetch standard, 3.2). */
export function preflightLines(policy: CorsPolicy, origin: string): string {
  const lines = originLines(policy, origin);
  if (lines === '') return '';
  const headers =
    policy.headers.length === 0 ? '' : `access-control-allow-headers: ${policy.headers.join(', ')}\r\n`;
  return `${lines}access-control-allow-methods: ${policy.methods.join(', ')}\r\n${headers}access-control-max-age: ${policy.maxAgeS}\r\n`;
}

/** The function's block with the policy's lines in place of its own. */
export function withCors(block: string, lines: string): string {
  return lines === '' ? block : block.replace(CORS_LINE, '') + lines;
}
