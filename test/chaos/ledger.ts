/** What happened in a run, written down outside the platform: it survives whatever is killed. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An event that its sender was told is taken. */
export interface Acknowledged {
  readonly id: string;
  readonly key: string;
  /** Counts up within the key. */
  readonly place: number;
}

/** One event in a function's hands. */
export interface Seen {
  readonly by: string;
  readonly id: string;
  readonly key: string | undefined;
  readonly place: number;
  /** The instant of a schedule, epoch ms. */
  readonly instantMs: number | undefined;
}

/** An HTTP server on loopback that functions report to before they end. */
export class Ledger {
  readonly acknowledged: Acknowledged[] = [];
  readonly seen: Seen[] = [];
  readonly #server: Server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    this.seen.push(...(JSON.parse(Buffer.concat(chunks).toString()) as Seen[]));
    response.end('written');
  });

  async open(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
