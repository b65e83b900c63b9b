/** What a fetch handler gets beside the request. */
export interface FetchContext {
  /** Keeps the invocation open for work after the response, at most until the function's time limit. */
  waitUntil(promise: Promise<unknown>): void;
  /** Parameters of the route's path: `/users/:id` gives `{ id: '42' }`; the rest that `*` took is under `*`. */
  readonly params: Readonly<Record<string, string>>;
  /** The id of this invocation, as the logs show it. */
  readonly requestId: string;
  /** Does nothing; here for code that was written for Workers. */
  passThroughOnException(): void;
  /** Empty; here for code that was written for Workers. */
  readonly props: Record<string, unknown>;
}

/** Answers a web request. `Env` are the function's environment variables. */
export type FetchHandler<Env = Readonly<Record<string, string | undefined>>> = (
  request: Request,
  env: Env,
  ctx: FetchContext,
) => Response | Promise<Response>;

/** The default export of a module that answers web requests: `export default { fetch } satisfies FetchModule`. */
export interface FetchModule<Env = Readonly<Record<string, string | undefined>>> {
  readonly fetch: FetchHandler<Env>;
}
