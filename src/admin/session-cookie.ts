/** The cookie that holds the token of a browser that signed in. */

const NAME = 'lambent-session';
/** How long a browser keeps it, in seconds. Deleting the token ends it at once. */
export const SESSION_S = 30 * 24 * 3_600;

/** The token of the request's cookie; `undefined` without one. */
export function tokenOfCookie(request: Request): string | undefined {
  for (const part of (request.headers.get('cookie') ?? '').split(';')) {
    const [name, value] = part.trim().split('=', 2);
    if (name === NAME && value !== undefined && value !== '') return value;
  }
  return undefined;
}

export function sessionCookie(token: string, request: Request): string {
  return cookie(token, SESSION_S, request);
}

export function signedOutCookie(request: Request): string {
  return cookie('', 0, request);
}

/** `Secure` where the browser came by TLS, which a proxy in front of this server says. */
function cookie(value: string, maxAgeS: number, request: Request): string {
  const byTls =
    new URL(request.url).protocol === 'https:' || request.headers.get('x-forwarded-proto') === 'https';
  return `${NAME}=${value}; Path=/_lambent/; Max-Age=${maxAgeS}; HttpOnly; SameSite=Strict${byTls ? '; Secure' : ''}`;
}
