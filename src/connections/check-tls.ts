import { isIP } from 'node:net';
import { connect, createSecureContext } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import type { Address } from '../model/connection.ts';
import type { ConnectionCheck } from '../ports/connection-driver.ts';

const HANDSHAKE_MS_MAX = 5_000;

/** Node's codes of a certificate that does not hold, with what mends it. Any other error is no TLS at all. */
const CERTIFICATE: readonly (readonly [codes: RegExp, fix: string])[] = [
  [
    /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/,
    'Renew the certificate of the service, and look at the clocks of both.',
  ],
  [
    /ALTNAME_INVALID/,
    'Name the host as the certificate does, or say the name in it with `tls: { serverName: … }`.',
  ],
  [
    /SELF_SIGNED|UNABLE_TO|CERT_|ISSUER/,
    'Put the certificate of its authority into a secret, and name that with `tls: { ca: SECRET }`.',
  ],
];

/** Whether the handshake holds, as the kinds do it that speak TLS from the first byte on. */
export async function checkTls(
  { tls }: Address,
  { host, port }: { readonly host: string; readonly port: number },
  clock: Clock,
): Promise<ConnectionCheck> {
  try {
    createSecureContext(tls);
  } catch (error) {
    return {
      ...{
        name: 'tls',
        ok: false,
        text: `A secret of \`tls\` holds no PEM text: ${(error as Error).message}.`,
      },
      fix: 'Set `ca`, `cert` and `key` to the texts that begin with -----BEGIN.',
    };
  }
  const ended = Promise.withResolvers<ConnectionCheck>();
  const timer = clock.after(HANDSHAKE_MS_MAX, () => ended.resolve(noTls(`${host}:${port}`, 'no answer')));
  const servername = tls?.servername ?? (isIP(host) === 0 ? host : undefined);
  const socket = connect({
    host,
    port,
    ...tls,
    ...(servername === undefined ? {} : { servername }),
  });
  socket.once('secureConnect', () => {
    const { subject, valid_to: until } = socket.getPeerCertificate();
    const text = `${socket.getProtocol()}, with the certificate of ${subject?.CN ?? 'nobody'}, valid until ${until}.`;
    ended.resolve({ name: 'tls', ok: true, text });
  });
  socket.once('error', (error: NodeJS.ErrnoException) => {
    const code = error.code ?? '';
    const known = CERTIFICATE.find(([codes]) => codes.test(code));
    // After the semicolon is advice for whoever started Node.js.
    const what = `${error.message.split(';')[0]} (${code})`;
    ended.resolve(
      known === undefined
        ? noTls(`${host}:${port}`, what)
        : { name: 'tls', ok: false, text: `The certificate does not hold: ${what}.`, fix: known[1] },
    );
  });
  const check = await ended.promise;
  timer.cancel();
  socket.destroy();
  return check;
}

function noTls(place: string, what: string): ConnectionCheck {
  return {
    ...{ name: 'tls', ok: false, text: `What listens at ${place} makes no TLS connection: ${what}.` },
    fix: 'Name the port that speaks TLS, or leave `tls` out if the service has none.',
  };
}
