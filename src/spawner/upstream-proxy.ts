import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { UpstreamProxy } from '../ports/build-sandbox.ts';

/** The other proxy's answer: its bytes, and the time that it may take to arrive. */
const ANSWER_BYTES_MAX = 16 * 1024;
const ANSWER_MS_MAX = 30_000;

/** The proxy through which a host is reached; `undefined`: none. */
export function reachedThrough(proxy: UpstreamProxy | undefined, host: string): UpstreamProxy | undefined {
  const direct = proxy?.except.some(
    (entry) => entry === '*' || entry === host || host.endsWith(entry.startsWith('.') ? entry : `.${entry}`),
  );
  return direct === true ? undefined : proxy;
}

/** Has another proxy connect further. Rejects with what it answers. */
export function openTunnel(
  remote: Socket,
  { credentials }: UpstreamProxy,
  { host, port }: { readonly host: string; readonly port: number },
  clock: Clock,
): Promise<void> {
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const who =
    credentials === undefined
      ? ''
      : `Proxy-Authorization: Basic ${Buffer.from(credentials).toString('base64')}\r\n`;
  remote.write(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n${who}\r\n`);
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const late = clock.after(ANSWER_MS_MAX, () =>
      settle(new Error('the proxy of this machine does not answer')),
    );
    const settle = (failure?: Error): void => {
      late.cancel();
      remote.off('data', onData);
      remote.off('close', onClose);
      remote.pause();
      if (failure === undefined) resolve();
      else reject(failure);
    };
    const onClose = (): void => settle(new Error('the proxy of this machine closed the connection'));
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) {
        if (head.length > ANSWER_BYTES_MAX)
          settle(new Error('the proxy of this machine does not answer in HTTP'));
        return;
      }
      const line = head.subarray(0, head.indexOf('\r\n')).toString('latin1');
      const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(line) ?? [];
      if (status !== '200') settle(new Error(`the proxy of this machine refused: ${line.slice(0, 200)}`));
      else {
        settle();
        const rest = head.subarray(end + 4);
        if (rest.length > 0) remote.unshift(rest);
      }
    };
    remote.on('data', onData);
    remote.once('close', onClose);
  });
}
