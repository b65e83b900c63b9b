import type { Duplex, Readable } from 'node:stream';
import type { Defects } from '../base/defects.ts';
import { BODY_CHUNK_BYTES, WINDOW_BYTES } from '../model/frames.ts';
import type { HttpExchange } from '../ports/invoker.ts';
import { contained } from './contained.ts';

/** Sends a body on in the function's own pace: at most one window ahead of what it has taken. */
export class BodyPump {
  readonly #source: Readable;
  #windowBytes = WINDOW_BYTES;
  #discarding = false;

  /**
   * @param admit is asked for each piece; after `false` the body is discarded
   * @param trailers is asked at the end for what followed the body, as lines
   */
  constructor(
    host: { readonly defects: Defects },
    socket: Duplex,
    source: Readable,
    upstream: HttpExchange,
    admit: (bytes: number) => boolean,
    trailers: () => string = () => '',
  ) {
    this.#source = source;
    const take = (chunk: Buffer): void => {
      if (this.#discarding) return;
      if (!admit(chunk.length)) {
        this.discard();
        return;
      }
      for (let at = 0; at < chunk.length; at += BODY_CHUNK_BYTES)
        upstream.writeBody(chunk.subarray(at, at + BODY_CHUNK_BYTES), false);
      this.#windowBytes -= chunk.length;
      if (this.#windowBytes <= 0) source.pause();
    };
    const end = (): void => {
      if (!this.#discarding) upstream.writeBody(new Uint8Array(0), true, trailers());
    };
    source.on('data', contained(host, socket, take));
    source.on('end', contained(host, socket, end));
  }

  /** The function took so much: more may come. */
  onCredit(bytes: number): void {
    this.#windowBytes += bytes;
    if (this.#windowBytes > 0 && this.#source.isPaused()) this.#source.resume();
  }

  /** Takes in what still comes and drops it. */
  discard(): void {
    if (this.#discarding) return;
    this.#discarding = true;
    this.#source.resume();
  }
}
