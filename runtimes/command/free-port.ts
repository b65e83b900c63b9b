import { connect, createServer, type AddressInfo } from 'node:net';

/** Where servers listen: some take `localhost` for the one, some for the other. */
export const LOOPBACKS = ['127.0.0.1', '::1'] as const;

/** A port that nobody listens on now. */
export function findPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, LOOPBACKS[0], () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** The address at which somebody accepts connections on the port, if anybody does. */
export async function findListener(port: number): Promise<string | undefined> {
  for (const host of LOOPBACKS) if (await accepts(host, port)) return host;
  return undefined;
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (does: boolean): void => {
      socket.destroy();
      resolve(does);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}
