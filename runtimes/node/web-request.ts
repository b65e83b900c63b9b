import { InvocationBody } from './incoming-body.ts';
import type { Invocation } from './invocations.ts';
import { type BodySource, extractBody, WebBody } from './web-body.ts';
import { type HeadersSource, WebHeaders } from './web-headers.ts';

/** Headers that belong to one connection: they do not go along when a request is sent on with `fetch`. */
const HOP_HEADERS = new Set([
  'connection',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const USUAL_METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'];
const FORBIDDEN_METHODS = ['CONNECT', 'TRACE', 'TRACK'];
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Marks a call of the constructor by this runtime. */
const INCOMING = Symbol('incoming');

/** What a request says about itself besides address, headers and body. */
const SETTINGS = {
  cache: 'default',
  credentials: 'same-origin',
  destination: '',
  integrity: '',
  keepalive: false,
  mode: 'cors',
  redirect: 'follow',
  referrer: 'about:client',
  referrerPolicy: '',
} as const;
type Settings = { -readonly [Name in keyof typeof SETTINGS]: unknown };

export interface WebRequestInit extends Partial<Omit<Settings, 'destination'>> {
  method?: string;
  headers?: HeadersSource;
  body?: unknown;
  signal?: AbortSignal | null;
  duplex?: string;
}

interface Parts {
  source: BodySource;
  method: string;
  url: string;
  headers: WebHeaders;
  signal: AbortSignal | undefined;
  settings: Settings;
}

/**
 * `Request` as the Fetch standard has it. One that came over the channel is read from its frame only as far as
 * the handler looks.
 */
export class WebRequest extends WebBody {
  #invocation: Invocation | undefined;
  #method: string | undefined;
  #url: string | undefined;
  #headers: WebHeaders | undefined;
  #signal: AbortSignal | undefined;
  #settings: Settings = SETTINGS;

  constructor(input: unknown, init?: WebRequestInit | Invocation) {
    if (input === INCOMING) {
      const invocation = init as Invocation;
      super(invocation.bodyComplete && !invocation.hasBody ? null : new InvocationBody(invocation));
      this.#invocation = invocation;
      return;
    }
    const parts = WebRequest.#assemble(input, (init ?? {}) as WebRequestInit);
    super(parts.source);
    this.#method = parts.method;
    this.#url = parts.url;
    this.#headers = parts.headers;
    this.#signal = parts.signal;
    this.#settings = parts.settings;
  }

  /** The request of an invocation. */
  static incoming(invocation: Invocation): WebRequest {
    return new WebRequest(INCOMING, invocation);
  }

  /** The payload of an event call as a request. */
  static made(invocation: Invocation, url: string, method: string, headers: WebHeaders): WebRequest {
    const request = new WebRequest(INCOMING, invocation);
    request.#url = url;
    request.#method = method;
    request.#headers = headers;
    return request;
  }

  static is(value: unknown): value is WebRequest {
    return typeof value === 'object' && value !== null && #settings in value;
  }

  /** Steps of the standard's constructor. */
  static #assemble(input: unknown, init: WebRequestInit): Parts {
    const from = WebRequest.is(input) ? input : undefined;
    const method = init.method === undefined ? (from?.method ?? 'GET') : checkMethod(init.method);
    const url = from?.url ?? parseUrl(input);
    const headers = new WebHeaders(init.headers ?? from?.headers);
    const settings: Settings = { ...(from === undefined ? SETTINGS : from.#settings) };
    for (const name of [
      'cache',
      'credentials',
      'integrity',
      'keepalive',
      'mode',
      'redirect',
      'referrer',
      'referrerPolicy',
    ] as const)
      if (init[name] !== undefined) settings[name] = init[name];
    const signal = init.signal === undefined ? from?.signal : (init.signal ?? undefined);
    let source: BodySource = null;
    const hasInitBody = init.body !== undefined && init.body !== null;
    const inherits = from === undefined ? false : from.#hasBody;
    if ((hasInitBody || inherits) && (method === 'GET' || method === 'HEAD'))
      throw new TypeError('Request with GET/HEAD method cannot have body.');
    if (hasInitBody) {
      const extracted = extractBody(init.body);
      if (
        typeof extracted.source === 'object' &&
        extracted.source instanceof ReadableStream &&
        init.duplex === undefined
      )
        throw new TypeError('RequestInit: duplex option is required when sending a body.');
      source = extracted.source;
      if (extracted.type !== undefined && !headers.has('content-type'))
        headers.set('content-type', extracted.type);
    } else if (from !== undefined) source = from.take();
    return { source, method, url, headers, signal, settings };
  }

  get #hasBody(): boolean {
    return this.#invocation === undefined
      ? this.body !== null
      : this.#invocation.hasBody || !this.#invocation.bodyComplete;
  }

  get method(): string {
    this.#method ??= this.#invocation!.http.method;
    return this.#method;
  }

  get url(): string {
    if (this.#url === undefined) {
      const { scheme, target } = this.#invocation!.http;
      const host = this.headers.get('host') ?? 'localhost';
      const text = target.startsWith('/') ? `${scheme}://${host}${target}` : target;
      // The standard's serialization. A plain target has it already, and parsing costs a microsecond.
      this.#url = PLAIN_URL.test(text) ? text : serialized(text, `${scheme}://localhost`);
    }
    return this.#url;
  }

  override get headers(): WebHeaders {
    this.#headers ??= WebHeaders.fromLines(this.#invocation!.http.headers);
    return this.#headers;
  }

  /** Aborts when the caller goes away or the time is over. */
  get signal(): AbortSignal {
    this.#signal ??= this.#invocation?.signal ?? new AbortController().signal;
    return this.#signal;
  }

  get cache(): unknown {
    return this.#settings.cache;
  }
  get credentials(): unknown {
    return this.#settings.credentials;
  }
  get destination(): unknown {
    return this.#settings.destination;
  }
  get integrity(): unknown {
    return this.#settings.integrity;
  }
  get keepalive(): unknown {
    return this.#settings.keepalive;
  }
  get mode(): unknown {
    return this.#settings.mode;
  }
  get redirect(): unknown {
    return this.#settings.redirect;
  }
  get referrer(): unknown {
    return this.#settings.referrer;
  }
  get referrerPolicy(): unknown {
    return this.#settings.referrerPolicy;
  }
  get duplex(): 'half' {
    return 'half';
  }

  clone(): WebRequest {
    const source = this.share();
    const { url, method, signal } = this;
    const body = method === 'GET' || method === 'HEAD' ? null : source;
    const copy = new WebRequest(url, { method, body, duplex: 'half', signal });
    copy.#headers = new WebHeaders(this.headers);
    copy.#settings = this.#settings;
    return copy;
  }

  /** Address and settings for Node's own `fetch`. Takes the body. */
  static toFetch(request: WebRequest): { url: string; init: RequestInit } {
    const { method, signal, redirect } = request;
    const headers = [...request.headers].filter(([name]) => !HOP_HEADERS.has(name));
    const taken = request.take();
    const body = taken instanceof InvocationBody ? (taken.takeComplete() ?? taken.stream()) : taken;
    return {
      url: request.url,
      init: { method, headers, body, signal, redirect, duplex: 'half' } as RequestInit,
    };
  }

  get [Symbol.toStringTag](): string {
    return 'Request';
  }

  [Symbol.for('nodejs.util.inspect.custom')](
    _depth: number,
    options: object,
    inspect: (value: unknown, options: object) => string,
  ): string {
    const { method, url, headers, bodyUsed } = this;
    return `Request ${inspect({ method, url, headers, bodyUsed }, options)}`;
  }
}

/** An address that the URL parser would give back unchanged. */
const PLAIN_URL =
  /^https?:\/\/[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)*(?::[1-9]\d{3,4})?\/(?!\.|[^?]*\/\.|[^?]*%2e)[A-Za-z0-9\-._~/=&+%]*(?:\?[A-Za-z0-9\-._~/=&+%]*)?$/;

function serialized(text: string, base: string): string {
  return URL.parse(text)?.href ?? URL.parse(text, base)?.href ?? `${base}/`;
}

function parseUrl(input: unknown): string {
  const text =
    typeof input === 'object' && input !== null && 'url' in input ? String(input.url) : String(input);
  const url = URL.parse(text);
  if (url === null) throw new TypeError(`Failed to parse URL from ${text}`);
  if (url.username !== '' || url.password !== '')
    throw new TypeError(`Request cannot be constructed from a URL that includes credentials: ${text}`);
  return url.href;
}

function checkMethod(method: string): string {
  const text = String(method);
  const upper = text.toUpperCase();
  if (!TOKEN.test(text) || FORBIDDEN_METHODS.includes(upper))
    throw new TypeError(`'${text}' is not a valid HTTP method.`);
  return USUAL_METHODS.includes(upper) ? upper : text;
}
