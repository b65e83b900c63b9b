import { type AnchorHTMLAttributes, useSyncExternalStore } from 'react';

/** Where in the console the page is: in the fragment of its address, so that an address can be shared and kept. */

export interface Route {
  /** `['invocations', 'ID']` */
  readonly parts: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

let lastHash: string | undefined;
let lastRoute: Route = { parts: [], query: {} };

function readRoute(): Route {
  if (location.hash === lastHash) return lastRoute;
  lastHash = location.hash;
  const [path = '', query = ''] = lastHash.replace(/^#\/?/, '').split('?');
  lastRoute = {
    parts: path.split('/').filter(Boolean).map(decodeURIComponent),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
  return lastRoute;
}

/**
 * One listener of the page's for all who look at the address. With a listener each, the first that hears is drawn before
 * the next one does: a screen that is being left would ask for what the next one's address names.
 */
const listeners = new Set<() => void>();
addEventListener('hashchange', () => {
  for (const listener of listeners) listener();
});

export function useRoute(): Route {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, readRoute);
}

export function go(path: string): void {
  location.hash = path;
}

/** Changes the query of the present address without a new entry in the browser's history. */
export function setQuery(changes: Readonly<Record<string, string | undefined>>): void {
  const { parts, query } = readRoute();
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  history.replaceState(
    null,
    '',
    `#/${parts.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`,
  );
  dispatchEvent(new HashChangeEvent('hashchange'));
}

export function pathOf(...parts: readonly (string | number)[]): string {
  return `/${parts.map((part) => encodeURIComponent(part)).join('/')}`;
}

/** Of a trigger's own view; `id`: `app/name`. */
export const triggerPath = (id: string): string => pathOf('events', 'triggers', ...id.split('/'));

export function Link({ to, ...rest }: { to: string } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  return <a href={`#${to}`} {...rest} />;
}
