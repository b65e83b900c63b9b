import { type BodySource, extractBody, WebBody } from './web-body.ts';
import { isRealResponse } from './web-globals.ts';
import { type HeadersSource, WebHeaders } from './web-headers.ts';
import type { WebSocketEnd } from './websocket-pair.ts';

const JSON_TYPE = 'application/json';

export interface WebResponseInit {
  status?: number;
  statusText?: string;
  headers?: HeadersSource;
  /** The client's end of a WebSocketPair, with status 101 (as in Cloudflare Workers). */
  webSocket?: WebSocketEnd | null;
}

function isNullBodyStatus(status: number): boolean {
  return status === 101 || status === 204 || status === 205 || status === 304;
}

function checkStatus(status: unknown, webSocket: unknown): number {
  const number = Number(status);
  if (Number.isInteger(number) && number >= 200 && number <= 599) return number;
  if (number === 101 && webSocket) return number;
  throw new RangeError('init["status"] must be in the range of 200 to 599, inclusive.');
}

/**
 * `Response` as the Fetch standard has it. It keeps what it was made of and does work only when somebody looks,
 * so that the usual one, made by a handler and sent at once, costs next to nothing.
 */
export class WebResponse extends WebBody {
  readonly #status: number;
  readonly #statusText: string;
  readonly #webSocket: WebSocketEnd | null;
  /** The media type that the body brings along, for want of a header. */
  #type: string | undefined;
  #headersInit: HeadersSource;
  #headers: WebHeaders | undefined;
  #kind: ResponseType = 'default';

  constructor(body?: unknown, init?: WebResponseInit) {
    const { source, type } = extractBody(body);
    super(source);
    this.#type = type;
    if (init === undefined || init === null) {
      this.#status = 200;
      this.#statusText = '';
      this.#webSocket = null;
      return;
    }
    this.#webSocket = init.webSocket ?? null;
    this.#status = init.status === undefined ? 200 : checkStatus(init.status, this.#webSocket);
    this.#statusText = init.statusText === undefined ? '' : String(init.statusText);
    this.#headersInit = init.headers;
    if (source !== null && isNullBodyStatus(this.#status))
      throw new TypeError(`Response constructor: Invalid response status code ${this.#status}`);
  }

  static json(data: unknown, init?: WebResponseInit): WebResponse {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError('Value is not JSON serializable');
    const response = new WebResponse(text, init);
    response.#type = JSON_TYPE;
    return response;
  }

  static redirect(url: string | URL, status = 302): WebResponse {
    const location = new URL(String(url)).href;
    if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`Invalid status code ${status}`);
    return new WebResponse(null, { status, headers: { location } });
  }

  static error(): WebResponse {
    const response = new WebResponse(null);
    response.#kind = 'error';
    return response;
  }

  static is(value: unknown): value is WebResponse {
    return typeof value === 'object' && value !== null && #status in value;
  }

  get status(): number {
    return this.#kind === 'error' ? 0 : this.#status;
  }

  get statusText(): string {
    return this.#statusText;
  }

  get ok(): boolean {
    return this.status >= 200 && this.status <= 299;
  }

  get type(): ResponseType {
    return this.#kind;
  }

  get url(): string {
    return '';
  }

  get redirected(): boolean {
    return false;
  }

  get webSocket(): WebSocketEnd | null {
    return this.#webSocket;
  }

  override get headers(): WebHeaders {
    if (this.#headers === undefined) {
      this.#headers = new WebHeaders(this.#headersInit);
      if (this.#type !== undefined && !this.#headers.has('content-type'))
        this.#headers.set('content-type', this.#type);
    }
    return this.#headers;
  }

  clone(): WebResponse {
    const copy = new WebResponse(this.share(), {
      status: this.#status,
      statusText: this.#statusText,
      webSocket: this.#webSocket,
    });
    copy.#headers = new WebHeaders(this.headers);
    copy.#kind = this.#kind;
    return copy;
  }

  /** What is to be sent. Takes the body: a response is sent once. */
  static open(response: WebResponse): {
    status: number;
    /** Set when somebody looked at them; otherwise `init` and `type` say all. */
    headers: WebHeaders | undefined;
    init: HeadersSource;
    type: string | undefined;
    source: BodySource;
  } {
    if (response.#kind === 'error') throw new TypeError('the handler answered Response.error()');
    return {
      status: response.#status,
      headers: response.#headers,
      init: response.#headersInit,
      type: response.#type,
      source: response.take(),
    };
  }

  get [Symbol.toStringTag](): string {
    return 'Response';
  }

  [Symbol.for('nodejs.util.inspect.custom')](
    _depth: number,
    options: object,
    inspect: (value: unknown, options: object) => string,
  ): string {
    const { status, statusText, headers, bodyUsed, ok, type, url } = this;
    return `Response ${inspect({ status, statusText, headers, bodyUsed, ok, type, url }, options)}`;
  }
}

// Node's own responses (from `fetch`) count too; a subclass, asked for its instances, has none among them.
Object.defineProperty(WebResponse, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    return this === WebResponse && isRealResponse(value);
  },
});
