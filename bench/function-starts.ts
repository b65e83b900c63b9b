import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Hears from a function when it started. */
export interface FunctionStarts {
  /** The source of a function that says when it started, by the machine's clock. */
  readonly handler: string;
  /** When the next one starts, in milliseconds since 1970. */
  next(): Promise<number>;
  close(): void;
}

export async function openFunctionStarts(): Promise<FunctionStarts> {
  let told: ((startMs: number) => void) | undefined;
  const server = createServer((request, response) => {
    told?.(Number(new URL(request.url!, 'http://localhost').searchParams.get('at')));
    response.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    handler: `export default async () => {
  const at = performance.timeOrigin + performance.now();
  await fetch('http://127.0.0.1:${port}/?at=' + at);
};\n`,
    next: () =>
      new Promise((resolve) => {
        told = resolve;
      }),
    close(): void {
      server.closeAllConnections();
      server.close();
    },
  };
}
