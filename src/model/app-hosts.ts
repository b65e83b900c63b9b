import type { AppName } from './function.ts';

/** A domain of the operator below which each app and each deployment has a name, besides those below `localhost`. */
export interface AppDomain {
  /** Lower case, without dots at its ends. */
  readonly name: string;
  /** How it is reached from outside, where that is known: `https://apps.example.com`, with a port if it needs one. */
  readonly origin: { readonly protocol: string; readonly port: string } | undefined;
}

/** One deployment, as the host of a request names it. */
export interface Preview {
  readonly app: AppName;
  readonly number: number;
}

/** Where a deployment can always be reached, whatever is live. */
export interface PreviewAddress {
  /** The host: `d12--shop.localhost`. As a Host header it is enough, wherever the request comes from. */
  readonly host: string;
  /** Absent when the host is no name that leads to this server from where the caller is. */
  readonly url?: string;
}

const PREVIEW_LABEL = /^d([1-9][0-9]{0,8})--([a-z0-9-]{1,63})$/;
const APP_LABEL = /^[a-z0-9-]{1,63}$/;
const DOMAIN_NAME =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/;

/** `apps.example.com` or `https://apps.example.com`; `undefined`: neither. */
export function parseAppDomain(text: string): AppDomain | undefined {
  if (!text.includes('://')) {
    const name = text.toLowerCase();
    return DOMAIN_NAME.test(name) ? { name, origin: undefined } : undefined;
  }
  const url = URL.parse(text);
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    url.pathname !== '/' ||
    !DOMAIN_NAME.test(url.hostname)
  )
    return undefined;
  return { name: url.hostname, origin: { protocol: url.protocol, port: url.port } };
}

/** Names that lead to the caller's own machine, wherever it is. */
function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(\.\d+){3}$/.test(host)
  );
}

/**
 * The hosts of apps: `shop.localhost` serves what is live of the app `shop`, `d12--shop.localhost` its deployment 12.
 * The same holds below the operator's domain.
 */
export class AppHosts {
  readonly domain: AppDomain | undefined;
  readonly #suffix: string | undefined;

  constructor(domain: AppDomain | undefined) {
    this.domain = domain;
    this.#suffix = domain === undefined ? undefined : `.${domain.name}`;
  }

  /** Whether a host may be that of an app, by its end. */
  owns(host: string): boolean {
    return host.endsWith('.localhost') || (this.#suffix !== undefined && host.endsWith(this.#suffix));
  }

  appOf(host: string): AppName | undefined {
    const label = this.#labelOf(host);
    return label !== undefined && APP_LABEL.test(label) ? (label as AppName) : undefined;
  }

  previewOf(host: string): Preview | undefined {
    const match = PREVIEW_LABEL.exec(this.#labelOf(host) ?? '');
    return match === null ? undefined : { app: match[2] as AppName, number: Number(match[1]) };
  }

  /** Every host of an app as a whole. */
  hostsOf(app: AppName): readonly string[] {
    return this.#suffix === undefined ? [`${app}.localhost`] : [`${app}.localhost`, `${app}${this.#suffix}`];
  }

  /** For a caller who reached the server by `authority` (host, and a port if it has one). */
  previewAddress(app: string, number: number, authority: string): PreviewAddress {
    const label = `d${number}--${app}`;
    const port = /:\d+$/.exec(authority)?.[0] ?? '';
    const isLocal = isLoopback(authority.slice(0, authority.length - port.length).toLowerCase());
    if (isLocal || this.domain === undefined) {
      const host = `${label}.localhost`;
      return isLocal ? { host, url: `http://${host}${port}/` } : { host };
    }
    const { name, origin } = this.domain;
    const host = `${label}.${name}`;
    if (origin === undefined) return { host, url: `http://${host}${port}/` };
    return { host, url: `${origin.protocol}//${host}${origin.port === '' ? '' : `:${origin.port}`}/` };
  }

  #labelOf(host: string): string | undefined {
    if (host.endsWith('.localhost')) return host.slice(0, -'.localhost'.length);
    const suffix = this.#suffix;
    return suffix !== undefined && host.endsWith(suffix) ? host.slice(0, -suffix.length) : undefined;
  }
}
