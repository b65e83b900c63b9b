/** The longest path of a route, in characters. */
export const ROUTE_PATH_MAX = 1_024;
/** Everything below belongs to the platform. */
const RESERVED = /^\/_lambent(\/|$)/;
const PARAMETER = /^:[A-Za-z_][A-Za-z0-9_]*$/;
/** What a plain segment may hold: RFC 3986's characters of a path segment, without `:` at its start and `*`. */
const SEGMENT =
  /^(?:[A-Za-z0-9\-._~!$&'()+,;=@]|%[0-9A-Fa-f]{2})(?:[A-Za-z0-9\-._~!$&'()+,;=:@]|%[0-9A-Fa-f]{2})*$/;
const HOST = /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const HOST_MAX = 253;

/** What is wrong with the path of a route; `undefined`: nothing. */
export function routePathFault(path: string): string | undefined {
  if (!path.startsWith('/')) return 'a path starts with `/`';
  if (path.length > ROUTE_PATH_MAX) return `a path has at most ${ROUTE_PATH_MAX} characters`;
  if (RESERVED.test(path)) return 'paths below `/_lambent` belong to the platform';
  if (path === '/') return undefined;
  const segments = path.slice(1).split('/');
  const names = new Set<string>();
  for (const [at, segment] of segments.entries()) {
    const isLast = at === segments.length - 1;
    if (segment === '*') {
      if (!isLast) return '`*` takes the rest of a path and can only be its last part';
    } else if (segment.startsWith(':')) {
      if (!PARAMETER.test(segment)) return `\`${segment}\` is not a parameter such as \`:id\``;
      if (names.has(segment)) return `the parameter \`${segment}\` occurs twice`;
      names.add(segment);
    } else if (segment === '') {
      if (!isLast) return 'a path has no empty parts (`//`)';
    } else if (segment === '.' || segment === '..') {
      return 'a path has no `.` and `..` parts';
    } else if (!SEGMENT.test(segment)) {
      return segment.includes('*')
        ? '`*` stands alone as the last part of a path'
        : `\`${segment}\` has characters that a URL's path does not hold; percent-encode them`;
    }
  }
  return undefined;
}

/** What is wrong with the host of a route; `undefined`: nothing. */
export function routeHostFault(host: string): string | undefined {
  if (host.length > HOST_MAX || !HOST.test(host))
    return 'a host is lower-case letters, digits, hyphens and dots, without a port; `*.` may come first';
  return undefined;
}

/** Two routes of equal shape catch the same requests, whatever their parameters are called. */
export function routeShape(method: string, host: string | undefined, path: string): string {
  return `${method} ${host ?? ''} ${path.replaceAll(/\/:[^/]+/g, '/:')}`;
}
