import type { CorsPolicy } from './deployment.ts';
import type { ManifestPath, ManifestProblems } from './manifest-problems.ts';
import type { CorsInput } from './manifest-schema.ts';
import { parseDurationMs } from './manifest-units.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** `*` does not cover Authorization (Fetch standard, CORS protocol), and covers nothing when cookies are sent. */
const HEADERS = ['*', 'authorization'];
const HEADERS_WITH_COOKIES = ['authorization', 'content-type', 'x-requested-with'];
const MAX_AGE_S = 600;
const MAX_AGE_LIMIT_S = 86_400;
const ORIGIN = /^(?:\*|null|[a-z][a-z0-9+.-]*:\/\/[^/\s*]+)$/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Cross-origin settings as the gateway applies them; `undefined` where none are wanted. */
export function parseCors(
  input: CorsInput | undefined,
  path: ManifestPath,
  problems: ManifestProblems,
): CorsPolicy | undefined {
  if (input === undefined || input === false) return undefined;
  const given = input === true ? {} : input;
  const origins = given.origins ?? ['*'];
  const credentials = given.credentials ?? false;
  for (const [at, origin] of origins.entries()) {
    if (!ORIGIN.test(origin))
      problems.addWrong(
        [...path, 'origins', at],
        'an origin such as `https://example.com` (without a path), or `*`',
        origin,
      );
  }
  if (credentials && origins.includes('*'))
    problems.add(
      [...path, 'credentials'],
      'value',
      'browsers refuse `credentials: true` together with the origin `*`; name the origins',
    );
  const methods = given.methods ?? METHODS;
  const headers = given.headers ?? (credentials ? HEADERS_WITH_COOKIES : HEADERS);
  const exposeHeaders = given.exposeHeaders ?? [];
  for (const [key, names] of Object.entries({ methods, headers, exposeHeaders }))
    for (const [at, name] of names.entries())
      if (!TOKEN.test(name)) problems.addWrong([...path, key, at], 'a name without spaces and commas', name);
  const maxAgeMs = given.maxAge === undefined ? MAX_AGE_S * 1_000 : parseDurationMs(given.maxAge);
  if (maxAgeMs === undefined || maxAgeMs > MAX_AGE_LIMIT_S * 1_000)
    problems.addWrong([...path, 'maxAge'], 'a duration up to 24h', given.maxAge);
  const maxAgeS = Math.floor((maxAgeMs ?? 0) / 1_000);
  return { origins, methods, headers, exposeHeaders, credentials, maxAgeS };
}
