/** Sends a request to the platform's own routes, as anybody could: for people who try one again with changes. */
export type SendToRoutes = (request: RouteRequest) => Promise<RouteAnswer>;

export interface RouteRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** The name of each in lower case; `host` among them, where the route depends on it. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}

export interface RouteAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** At most `ROUTE_ANSWER_BYTES_MAX`; what is more is not waited for. */
  readonly body: Buffer;
  readonly cut: boolean;
}

export const ROUTE_ANSWER_BYTES_MAX = 1024 * 1024;
/** How long an answer may take until its head is there, in milliseconds. */
export const ROUTE_ANSWER_WAIT_MS = 120_000;
