import { timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import { AWS_SYNC_HOST } from '../base/own-addresses.ts';
import type { AccessStore } from '../ports/access-store.ts';
import type { Authorize, Caller } from '../ports/authorize.ts';
import { hashToken } from './access-token.ts';
import { tokenOfCookie } from './session-cookie.ts';

/*
 * Who may use the control API.
 *
 * `start`: whoever sends a token: in a header, which browsers never send by themselves, so that neither a foreign page
 * nor DNS rebinding gains anything; or, for the console, in a cookie, which counts only in requests of pages of this
 * very origin (SameSite=Strict keeps it from others' requests, and Origin and Sec-Fetch-Site are checked besides).
 * `dev`: whoever calls from this machine, except web pages of other origins: their requests carry a foreign Host
 * (DNS rebinding), a foreign Origin, or a Sec-Fetch-Site other than same-origin.
 * Ports count, so that an app under development on another port is foreign too. From another machine, `dev` asks
 * for a token like `start`: the API deploys code.
 */

/** Wrong tokens that one address may send within the window; then it is refused until the window ends. */
export const FAILED_ATTEMPTS_MAX = 20;
export const FAILED_WINDOW_MS = 60_000;
/** Addresses whose failures are remembered; beyond, the oldest is forgotten. */
export const FAILED_ADDRESSES_MAX = 10_000;
/** How long a good token is taken without asking the store again, and how many are remembered. */
export const GOOD_TOKEN_MS = 10_000;
export const GOOD_TOKENS_MAX = 1_000;
/** Longer tokens are refused unread. */
export const TOKEN_CHARS_MAX = 256;

export interface GuardOptions {
  mode: 'dev' | 'start';
  access: AccessStore;
  clock: Clock;
  /** Hosts that `dev` answers for besides this machine's own names: exact, or `*.example.com`. Without port. */
  allowHosts: readonly string[];
}

export class Guard {
  readonly #mode: 'dev' | 'start';
  readonly #access: AccessStore;
  readonly #clock: Clock;
  readonly #allowHosts: readonly string[];
  readonly #failures = new Map<string, { count: number; untilMs: number }>();
  readonly #good = new Map<string, { name: string; untilMs: number }>();

  constructor({ mode, access, clock, allowHosts }: GuardOptions) {
    this.#mode = mode;
    this.#access = access;
    this.#clock = clock;
    this.#allowHosts = allowHosts.map((host) => host.toLowerCase());
  }

  /** For everything that shows or changes something. */
  readonly authorize: Authorize = async (request, remoteAddress) => {
    this.checkHost(request);
    if (this.#mode === 'start' || !isLoopback(remoteAddress)) {
      return this.#authenticate(request, remoteAddress);
    }
    this.checkOrigin(request);
    return { name: 'local' };
  };

  /** For a page of this origin that hands over a token by itself. Wrong ones count like all others. */
  async signIn(request: Request, remoteAddress: string, token: string): Promise<Caller> {
    this.checkHost(request);
    this.checkOrigin(request);
    return this.#findToken(token, remoteAddress);
  }

  /** For what is the same for everybody: in `dev`, a foreign Host is refused even there. */
  checkHost(request: Request): void {
    if (this.#mode === 'start') return;
    const host = hostOf(request);
    if (host === undefined || !this.#isOwnHost(host)) {
      throw new LambentError(
        'E_HOST_REFUSED',
        `This server does not answer for the host ${JSON.stringify(host ?? '')}.`,
        { hint: `Use localhost or 127.0.0.1, or start with \`--allow-host ${host || 'NAME'}\`.` },
      );
    }
  }

  /** Forgets remembered good tokens: one was removed. */
  forgetTokens(): void {
    this.#good.clear();
  }

  #isOwnHost(host: string): boolean {
    // `*.localhost` is this machine too (RFC 6761).
    if (
      host === 'localhost' ||
      host === AWS_SYNC_HOST ||
      host.endsWith('.localhost') ||
      host === '::1' ||
      (isIP(host) === 4 && host.startsWith('127.'))
    )
      return true;
    return this.#allowHosts.some((allowed) =>
      allowed.startsWith('*.') ? host.endsWith(allowed.slice(1)) : host === allowed,
    );
  }

  /** Refuses what a browser sends on behalf of a page that is not ours. */
  checkOrigin(request: Request): void {
    const site = request.headers.get('sec-fetch-site');
    if (site !== null && site !== 'same-origin' && site !== 'none') {
      throw new LambentError('E_FORBIDDEN', `The request comes from a page of another origin (${site}).`);
    }
    const origin = request.headers.get('origin');
    if (origin === null) return;
    const authority = request.headers.get('host') ?? new URL(request.url).host;
    if (origin !== `http://${authority}` && origin !== `https://${authority}`) {
      throw new LambentError(
        'E_FORBIDDEN',
        `The request comes from a page of another origin (${origin.slice(0, 200)}).`,
      );
    }
  }

  async #authenticate(request: Request, remoteAddress: string): Promise<Caller> {
    const presented = /^Bearer +(\S+) *$/i.exec(request.headers.get('authorization') ?? '')?.[1];
    if (presented !== undefined) return this.#findToken(presented, remoteAddress);
    const session = tokenOfCookie(request);
    // A header that is no bearer token is a mistake to tell, not to pass over.
    if (session === undefined || request.headers.has('authorization')) {
      const why =
        this.#mode === 'dev' ? 'From another machine, the control API' : 'The control API of this server';
      throw new LambentError('E_UNAUTHENTICATED', `${why} needs a token.`);
    }
    this.checkOrigin(request);
    if (!isReading(request.method) && request.headers.get('origin') === null) {
      throw new LambentError(
        'E_FORBIDDEN',
        'With a session, a change must say which page asks for it (Origin).',
      );
    }
    return { ...(await this.#findToken(session, remoteAddress)), cookie: true };
  }

  async #findToken(presented: string, remoteAddress: string): Promise<Caller> {
    const nowMs = this.#clock.nowMs();
    const hash = presented.length > TOKEN_CHARS_MAX ? '' : hashToken(presented);
    const known = this.#good.get(hash);
    if (known !== undefined && nowMs < known.untilMs) return { name: known.name };
    // Whoever guesses is stopped here, before the store; a token that was good a moment ago passes above, so that
    // one client behind a shared address cannot lock out the others.
    this.#checkAttempts(remoteAddress, nowMs);
    const token = hash === '' ? undefined : await this.#access.findToken(hash);
    if (token === undefined || !timingSafeEqual(Buffer.from(token.hash), Buffer.from(hash))) {
      this.#countFailure(remoteAddress, nowMs);
      throw new LambentError('E_UNAUTHENTICATED', 'The token is not valid.', {
        hint: 'Use a token that `lambent start` or POST /_lambent/api/v1/tokens gave you.',
      });
    }
    this.#failures.delete(remoteAddress);
    if (this.#good.size >= GOOD_TOKENS_MAX) this.#good.clear();
    this.#good.set(hash, { name: token.name, untilMs: nowMs + GOOD_TOKEN_MS });
    return { name: token.name };
  }

  #checkAttempts(remoteAddress: string, nowMs: number): void {
    const failures = this.#failures.get(remoteAddress);
    if (failures === undefined || failures.count < FAILED_ATTEMPTS_MAX) return;
    if (nowMs >= failures.untilMs) {
      this.#failures.delete(remoteAddress);
      return;
    }
    throw new LambentError(
      'E_TOO_MANY_ATTEMPTS',
      `More than ${FAILED_ATTEMPTS_MAX} wrong tokens came from this address within ${FAILED_WINDOW_MS / 1_000} seconds.`,
      { retryAfterS: Math.ceil((failures.untilMs - nowMs) / 1_000) },
    );
  }

  #countFailure(remoteAddress: string, nowMs: number): void {
    const failures = this.#failures.get(remoteAddress);
    if (failures !== undefined && nowMs < failures.untilMs) {
      failures.count += 1;
      return;
    }
    this.#failures.delete(remoteAddress);
    if (this.#failures.size >= FAILED_ADDRESSES_MAX) {
      const oldest = this.#failures.keys().next();
      if (!oldest.done) this.#failures.delete(oldest.value);
    }
    this.#failures.set(remoteAddress, { count: 1, untilMs: nowMs + FAILED_WINDOW_MS });
  }
}

/** The host that the caller named, in lower case, without port and brackets; `undefined` when it is not a host. */
function hostOf(request: Request): string | undefined {
  const authority = request.headers.get('host') ?? new URL(request.url).host;
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(authority);
  const host = (match?.[1] ?? match?.[2])?.toLowerCase();
  return host?.replace(/\.$/, '');
}

function isLoopback(address: string): boolean {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'));
}

function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}
