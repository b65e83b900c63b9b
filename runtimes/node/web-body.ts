import { Readable } from 'node:stream';
import { realResponseClass } from './web-globals.ts';
import type { WebHeaders } from './web-headers.ts';

/** A body that still arrives. */
export interface IncomingBody {
  collect(): Promise<Buffer>;
  stream(): ReadableStream<Uint8Array>;
  /** All bytes, when they are here already. */
  takeComplete(): Buffer | undefined;
}

export type BodySource = string | Uint8Array | Blob | ReadableStream<Uint8Array> | IncomingBody | null;

const utf8 = new TextDecoder();

function isStream(source: BodySource): source is ReadableStream<Uint8Array> {
  return typeof source === 'object' && source !== null && 'getReader' in source;
}

function isIncoming(source: BodySource): source is IncomingBody {
  return typeof source === 'object' && source !== null && 'takeComplete' in source;
}

function isFormData(value: object): value is FormData {
  return Object.prototype.toString.call(value) === '[object FormData]';
}

/** A body and the media type it brings along, by the standard's "extract a body"; async iterables count as streams. */
export function extractBody(body: unknown): { source: BodySource; type: string | undefined } {
  if (typeof body === 'string') return { source: body, type: 'text/plain;charset=UTF-8' };
  if (body === null || body === undefined) return { source: null, type: undefined };
  if (typeof body !== 'object') return { source: String(body), type: 'text/plain;charset=UTF-8' };
  if (body instanceof Uint8Array || body instanceof ReadableStream) return { source: body, type: undefined };
  if (body instanceof ArrayBuffer || body instanceof SharedArrayBuffer)
    return { source: new Uint8Array(body), type: undefined };
  if (ArrayBuffer.isView(body))
    return { source: new Uint8Array(body.buffer, body.byteOffset, body.byteLength), type: undefined };
  if (body instanceof URLSearchParams)
    return { source: body.toString(), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
  if (body instanceof Blob) return { source: body, type: body.type === '' ? undefined : body.type };
  if (isFormData(body)) return encodeForm(body);
  if (Symbol.asyncIterator in body)
    return { source: streamFrom(body as AsyncIterable<unknown>), type: undefined };
  return { source: String(body), type: 'text/plain;charset=UTF-8' };
}

/** An async iterable (a generator, a Node stream) as a stream of bytes; strings in it are sent as UTF-8. */
function streamFrom(iterable: AsyncIterable<unknown>): ReadableStream<Uint8Array> {
  const iterator = iterable[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(typeof value === 'string' ? Buffer.from(value) : (value as Uint8Array));
      },
      async cancel(reason) {
        await iterator.return?.(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** `multipart/form-data`, by the standard's encoding algorithm. */
function encodeForm(form: FormData): { source: BodySource; type: string } {
  const boundary = `----lambent-form-${crypto.randomUUID()}`;
  const escaped = (text: string): string =>
    text.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22');
  const parts: (string | Blob)[] = [];
  for (const [name, value] of form) {
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="${escaped(name)}"`;
    if (typeof value === 'string') parts.push(`${head}\r\n\r\n${value.replace(/\r?\n|\r/g, '\r\n')}\r\n`);
    else {
      const type = value.type === '' ? 'application/octet-stream' : value.type;
      parts.push(
        `${head}; filename="${escaped(value.name)}"\r\ncontent-type: ${type}\r\n\r\n`,
        value,
        '\r\n',
      );
    }
  }
  parts.push(`--${boundary}--\r\n`);
  return { source: new Blob(parts), type: `multipart/form-data; boundary=${boundary}` };
}

/** One piece of bytes as a stream. */
function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (bytes.length > 0) controller.enqueue(new Uint8Array(bytes));
      controller.close();
    },
  });
}

async function collectStream(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream as unknown as AsyncIterable<unknown>) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('Received non-Uint8Array chunk');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** All bytes of a body that was taken. */
export async function bytesOf(source: BodySource): Promise<Uint8Array> {
  if (source === null) return Buffer.alloc(0);
  if (typeof source === 'string') return Buffer.from(source);
  if (source instanceof Uint8Array) return source;
  if (isStream(source)) return collectStream(source);
  if (isIncoming(source)) return source.collect();
  return new Uint8Array(await source.arrayBuffer());
}

/** What `Request` and `Response` share: a body that is read at most once, by whichever way is cheapest. */
export abstract class WebBody {
  #source: BodySource;
  #used = false;

  constructor(source: BodySource) {
    this.#source = source;
  }

  abstract get headers(): WebHeaders;

  get body(): ReadableStream<Uint8Array> | null {
    const source = this.#source;
    if (source === null) return null;
    if (isStream(source)) return source;
    if (this.#used) {
      // Read already: a locked stream stands for it.
      const spent = new ReadableStream<Uint8Array>();
      spent.getReader();
      return spent;
    }
    let stream: ReadableStream<Uint8Array>;
    if (typeof source === 'string') stream = streamOf(Buffer.from(source));
    else if (source instanceof Uint8Array) stream = streamOf(source);
    else stream = source.stream() as ReadableStream<Uint8Array>;
    this.#source = stream;
    return stream;
  }

  get bodyUsed(): boolean {
    return this.#used || (isStream(this.#source) && Readable.isDisturbed(this.#source as never));
  }

  async text(): Promise<string> {
    const source = this.take();
    if (typeof source === 'string') return source.toWellFormed();
    return utf8.decode(await bytesOf(source));
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await bytesOf(this.take()));
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer as ArrayBuffer;
  }

  async blob(): Promise<Blob> {
    const type = this.headers.get('content-type') ?? '';
    return new Blob([(await this.bytes()) as Uint8Array<ArrayBuffer>], { type });
  }

  async formData(): Promise<FormData> {
    const type = this.headers.get('content-type') ?? '';
    const bytes = await this.bytes();
    const RealResponse = await realResponseClass();
    return new RealResponse(bytes as Uint8Array<ArrayBuffer>, {
      headers: { 'content-type': type },
    }).formData();
  }

  /** The body for its one reader. Throws when it was read, or is being read. */
  protected take(): BodySource {
    const source = this.#source;
    if (this.bodyUsed || (isStream(source) && source.locked))
      throw new TypeError('Body is unusable: Body has already been read');
    if (source !== null) this.#used = true;
    return source;
  }

  /** The body for a copy of this object; this one keeps its own. */
  protected share(): BodySource {
    let source = this.#source;
    if (this.bodyUsed || (isStream(source) && source.locked))
      throw new TypeError('clone: Body has already been consumed.');
    if (isIncoming(source)) {
      source = source.takeComplete() ?? source.stream();
      this.#source = source;
    }
    if (!isStream(source)) return source;
    const [own, copy] = source.tee();
    this.#source = own;
    return copy;
  }
}
