/** A server of a test that functions call: the test learns who works, and decides when and how that ends. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export class Gate {
  readonly #server: Server = createServer((request, response) => {
    const path = request.url!;
    const waiting = this.#waiting.get(path);
    if (waiting !== undefined) {
      this.#waiting.delete(path);
      waiting(response);
      return;
    }
    const call = { path, response };
    this.#arrived.add(call);
    // Who does not wait any more needs no answer.
    response.once('close', () => this.#arrived.delete(call));
  });
  readonly #arrived = new Set<{ path: string; response: ServerResponse }>();
  readonly #waiting = new Map<string, (response: ServerResponse) => void>();

  async open(): Promise<void> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next call of this path. Answer 200: the function succeeds; anything else: it throws. */
  next(path: string): Promise<ServerResponse> {
    for (const call of this.#arrived) {
      if (call.path !== path) continue;
      this.#arrived.delete(call);
      return Promise.resolve(call.response);
    }
    return new Promise((resolve) => this.#waiting.set(path, resolve));
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
