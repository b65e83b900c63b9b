/**
 * Which `Headers`, `Request`, `Response` and `fetch` the author's code sees. The classes are light ones of this
 * runtime. Node's own take some 40 ms to load, in every cold start; now they load with the first outgoing `fetch`,
 * whose answers remain Node's own objects.
 */

const realFetch = globalThis.fetch;

/** Node's own classes, known from the first answer of `fetch`: before it, no object of theirs exists. */
let realClasses: { readonly Response: typeof Response; readonly Headers: typeof Headers } | undefined;

function learn(response: Response): Response {
  realClasses ??= {
    Response: response.constructor as typeof Response,
    Headers: response.headers.constructor as typeof Headers,
  };
  return response;
}

export function isRealResponse(value: unknown): value is Response {
  return realClasses !== undefined && value instanceof realClasses.Response;
}

/**
 * Whether a value can be read like a `Response`: Node's own, or one of a package (undici, node-fetch, the class that
 * @hono/node-server puts in place).
 */
export function isResponseLike(value: unknown): value is Response {
  if (isRealResponse(value)) return true;
  if (
    typeof value !== 'object' ||
    value === null ||
    !('status' in value && 'headers' in value && 'body' in value)
  )
    return false;
  const { status, headers } = value as Response;
  return (
    typeof status === 'number' && typeof headers?.forEach === 'function' && typeof headers.has === 'function'
  );
}

export function isRealHeaders(value: unknown): value is Headers {
  return realClasses !== undefined && value instanceof realClasses.Headers;
}

/** Loads Node's own `Response`, which can parse forms. */
export async function realResponseClass(): Promise<typeof Response> {
  if (realClasses === undefined) learn(await realFetch('data:,'));
  return realClasses!.Response;
}

interface LightClasses {
  readonly Headers: unknown;
  readonly Request: unknown;
  readonly Response: unknown;
  readonly isRequest: (value: unknown) => boolean;
  /** Address and settings of a light request, for Node's `fetch`. Takes its body. */
  readonly toFetch: (request: unknown) => { url: string; init: RequestInit };
}

/** Puts the light classes in the place of Node's. */
export function installWeb(light: LightClasses): void {
  for (const name of ['Headers', 'Request', 'Response'] as const) {
    Object.defineProperty(light[name] as object, 'name', { value: name, configurable: true });
    // A plain assignment: defining the property would make Node load what is replaced.
    (globalThis as Record<string, unknown>)[name] = light[name];
  }
  const fetch = (input: unknown, init?: unknown): Promise<Response> => {
    const settings = light.isRequest(init) ? light.toFetch(init).init : (init as RequestInit | undefined);
    if (!light.isRequest(input)) return realFetch(input as string, settings).then(learn);
    let request: { url: string; init: RequestInit };
    try {
      request = light.toFetch(input);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    return realFetch(request.url, { ...request.init, ...settings }).then(learn);
  };
  globalThis.fetch = fetch as typeof globalThis.fetch;
}
