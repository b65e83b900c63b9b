import { type AddressInfo, connect, createServer } from 'node:net';

/** The function's own loopback needs no way out. */
const NOT_PROXIED = 'localhost,127.0.0.1,::1';

/**
 * The way out of the sandbox (`LAMBENT_EGRESS`, a proxy behind a Unix socket) as what programs of every language
 * understand: a proxy on a port of the loopback, named in the usual variables. Resolves with these variables; with none
 * where there is no such socket.
 */
export async function openLocalProxy(): Promise<Record<string, string>> {
  const path = process.env.LAMBENT_EGRESS;
  if (path === undefined) return {};
  const server = createServer({ allowHalfOpen: true }, (inner) => {
    const outer = connect({ path, allowHalfOpen: true });
    inner.on('error', () => outer.destroy());
    outer.on('error', () => inner.destroy());
    inner.pipe(outer);
    outer.pipe(inner);
    inner.once('close', () => outer.destroy());
    outer.once('close', () => inner.destroySoon());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  const proxy = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    http_proxy: proxy,
    https_proxy: proxy,
    NO_PROXY: NOT_PROXIED,
    no_proxy: NOT_PROXIED,
  };
}
