/** One TCP connection under full control, and a reader of HTTP/1.1 answers that is independent of the server's own code. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawResponse {
  readonly status: number;
  /** Names in lower case; repeated headers are joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const END_OF_HEAD = '\r\n\r\n';

export class RawConnection {
  readonly socket: Socket;
  /** Set once the server closed its side: `end` in order, otherwise the error. */
  closedBy: string | undefined;
  #received = Buffer.alloc(0);
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    socket.on('end', () => this.#close('end'));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#close(error.code ?? error.message));
    socket.on('close', () => this.#close('close'));
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  /** Resolves once the kernel took it. */
  async write(data: string | Uint8Array): Promise<void> {
    if (!this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data))
      await Promise.race([once(this.socket, 'drain'), this.closed()]);
  }

  /** Sends text and reads the one answer to it. */
  async ask(text: string, method = 'GET'): Promise<RawResponse> {
    await this.write(text);
    return this.response(method);
  }

  /** Bytes received and not yet read. */
  get waitingText(): string {
    return this.#received.toString('latin1');
  }

  /** Takes the next bytes, at least `size`. */
  async bytes(size: number): Promise<Buffer> {
    await this.#until(() => this.#received.length >= size);
    return this.#take(size);
  }

  /** Takes everything up to and including `mark`. */
  async through(mark: string): Promise<string> {
    let end = -1;
    await this.#until(() => {
      end = this.#received.indexOf(mark);
      return end >= 0;
    });
    return this.#take(end + mark.length).toString('latin1');
  }

  /** The status and headers of the next answer. */
  async head(): Promise<Omit<RawResponse, 'body'>> {
    const text = await this.through(END_OF_HEAD);
    const [statusLine = '', ...lines] = text.slice(0, -END_OF_HEAD.length).split('\r\n');
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(statusLine);
    if (status === null) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const colon = line.indexOf(': ');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 2);
      headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
    }
    return { status: Number(status[1]), headers };
  }

  /** The next whole answer. */
  async response(method = 'GET'): Promise<RawResponse> {
    const { status, headers } = await this.head();
    const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
    if (bodiless) return { status, headers, body: Buffer.alloc(0) };
    if (headers['transfer-encoding'] === 'chunked') {
      const chunks: Buffer[] = [];
      for (let chunk = await this.chunk(); chunk.length > 0; chunk = await this.chunk()) chunks.push(chunk);
      return { status, headers, body: Buffer.concat(chunks) };
    }
    const length = headers['content-length'];
    if (length !== undefined) return { status, headers, body: await this.bytes(Number(length)) };
    await this.closed();
    return { status, headers, body: this.#take(this.#received.length) };
  }

  /** One chunk of a chunked body; empty: the last. */
  async chunk(): Promise<Buffer> {
    const size = Number.parseInt(await this.through('\r\n'), 16);
    return (await this.bytes(size + 2)).subarray(0, size);
  }

  /** Resolves when the server has closed its side. */
  async closed(): Promise<string> {
    while (this.closedBy === undefined) await this.#change();
    return this.closedBy;
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #until(fits: () => boolean): Promise<void> {
    while (!fits()) {
      if (this.closedBy !== undefined)
        throw new Error(
          `the server closed the connection (${this.closedBy}) after ${JSON.stringify(this.waitingText.slice(0, 500))}`,
        );
      await this.#change();
    }
  }

  #take(size: number): Buffer {
    const taken = this.#received.subarray(0, size);
    this.#received = this.#received.subarray(size);
    return taken;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #close(how: string): void {
    this.closedBy ??= how;
    this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

/** Opens a connection for one exchange and closes it afterwards. */
export async function exchange(
  port: number,
  lines: readonly string[],
  body: string | Uint8Array = '',
): Promise<RawResponse> {
  const connection = await RawConnection.open(port);
  try {
    const method = lines[0]!.split(' ')[0]!;
    await connection.write(`${lines.join('\r\n')}${END_OF_HEAD}`);
    if (body.length > 0) await connection.write(body);
    return await connection.response(method);
  } finally {
    connection.destroy();
  }
}
