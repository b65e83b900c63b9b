import type { IncomingMessage, Server } from 'node:http';

/**
 * Every function sees the whole path of its requests. Express apps are mostly written for the root, though, as
 * `app.get('/')`, and one in `functions/hello.js` would find nothing at `/hello`. So an app that has a route for the
 * rest of the path, and none for the whole of it, is called as if it were mounted where its function is: that is what
 * `app.use('/hello', app)` does, with the same `url`, `baseUrl` and `originalUrl`. Which routes an app has is asked of
 * its own matchers; an app whose inside is not as expected sees the whole path.
 */

/** What an Express app (4 or 5) has inside. */
interface ExpressLayer {
  /** A middleware without a path: it says nothing about which paths the app knows. 5, and 4. */
  readonly slash?: boolean;
  readonly regexp?: { readonly fast_slash?: boolean };
  /** A router has layers of its own. */
  readonly handle?: { readonly stack?: readonly ExpressLayer[] };
  match(path: string): boolean;
}

interface ExpressApp {
  readonly _router?: { readonly stack?: readonly ExpressLayer[] };
  readonly router?: { readonly stack?: readonly ExpressLayer[] };
}

/** The parts of the request that mounting sets. */
interface Mounted extends IncomingMessage {
  baseUrl?: string;
  originalUrl?: string;
}

/** The Express app that answers a server's requests, if it is one alone. */
export function expressOf(server: Server): unknown {
  const [listener, ...others] = server.listeners('request') as unknown[];
  const isExpress = typeof listener === 'function' && 'handle' in listener && 'use' in listener;
  return isExpress && others.length === 0 ? listener : undefined;
}

/** `route`: that of the function, as `ANY /hello/*`. */
export function mountExpress(app: unknown, request: Mounted, route: string): void {
  const mount = mountOf(route);
  const url = request.url ?? '/';
  if (mount === '' || !url.startsWith(mount)) return;
  const rest = url.slice(mount.length);
  const mounted = rest.startsWith('/') ? rest : `/${rest}`;
  const stack = stackOf(app as ExpressApp);
  if (stack === undefined || knows(stack, pathOf(url)) || !knows(stack, pathOf(mounted))) return;
  request.originalUrl = url;
  request.baseUrl = mount;
  request.url = mounted;
}

/** `/hello` of `ANY /hello/*`; empty at the root, and where a parameter comes first. */
function mountOf(route: string): string {
  const path = route.slice(route.indexOf(' ') + 1).replace(/\/\*$/, '');
  return path === '/' || path.includes(':') ? '' : path;
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

function stackOf(app: ExpressApp): readonly ExpressLayer[] | undefined {
  try {
    // Express 4 has a `router` too, which throws.
    return (app._router ?? app.router)?.stack;
  } catch {
    return undefined;
  }
}

function knows(stack: readonly ExpressLayer[], path: string): boolean {
  return stack.some((layer) => {
    if (layer.slash || layer.regexp?.fast_slash) return knows(layer.handle?.stack ?? [], path);
    try {
      return layer.match(path);
    } catch {
      // A path that cannot be decoded: Express has an answer to that.
      return true;
    }
  });
}
