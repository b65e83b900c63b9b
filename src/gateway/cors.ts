import type { CorsPolicy } from '../model/deployment.ts';

/** Headers that a cross-origin policy sets; the function's own of these names give way to it. */
const CORS_LINE = /^access-control-[a-z-]+: .*\r\n/gim;

/** What depends on the Origin header must not be served from a cache to another origin (Fetch standard, 3.2.4). */
const VARY = 'vary: origin\r\n';

/** Lines that let an origin in; `undefined`: the policy does not. */
function permission(policy: CorsPolicy, origin: string): string | undefined {
  const any = policy.origins.includes('*');
  if (!any && !policy.origins.includes(origin)) return undefined;
  // A wildcard is not allowed beside credentials (Fetch standard): the origin is named then.
  const shown = any && !policy.credentials ? '*' : origin;
  const credentials = policy.credentials ? 'access-control-allow-credentials: true\r\n' : '';
  return `access-control-allow-origin: ${shown}\r\n${credentials}`;
}

/** Lines to add to an answer; empty without a policy. */
export function corsLines(policy: CorsPolicy | undefined, origin: string | undefined): string {
  if (policy === undefined) return '';
  const allowed = origin === undefined ? undefined : permission(policy, origin);
  if (allowed === undefined) return VARY;
  const exposed =
    policy.exposeHeaders.length === 0
      ? ''
      : `access-control-expose-headers: ${policy.exposeHeaders.join(', ')}\r\n`;
  return `${allowed}${VARY}${exposed}`;
}

/** Lines of the answer to a preflight request (Fetch standard, 3.2). */
export function preflightLines(policy: CorsPolicy, origin: string): string {
  const allowed = permission(policy, origin);
  if (allowed === undefined) return VARY;
  const headers =
    policy.headers.length === 0 ? '' : `access-control-allow-headers: ${policy.headers.join(', ')}\r\n`;
  return `${allowed}${VARY}access-control-allow-methods: ${policy.methods.join(', ')}\r\n${headers}access-control-max-age: ${policy.maxAgeS}\r\n`;
}

/** The function's block with the policy's lines in place of its own. */
export function withCors(block: string, lines: string): string {
  return lines === '' ? block : block.replace(CORS_LINE, '') + lines;
}
