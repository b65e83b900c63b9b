/** Who calls the platform's own interfaces. */
export interface Caller {
  /** Name of the token, or `local` where none is needed. */
  readonly name: string;
  /** A browser's session says so, not a token in a header. */
  readonly cookie?: boolean;
}

/**
 * Decides whether a request may use the platform's own interfaces. Rejects with `E_HOST_REFUSED`, `E_FORBIDDEN`,
 * `E_UNAUTHENTICATED` or `E_TOO_MANY_ATTEMPTS`. It reads the head of the request only.
 *
 * @param remoteAddress IP address of the connection's other end
 */
export type Authorize = (request: Request, remoteAddress: string) => Promise<Caller>;
