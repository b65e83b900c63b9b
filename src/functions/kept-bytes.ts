import { PAYLOAD_BYTES_MAX } from '../ports/call-details.ts';

/** The beginning of a body that passes by: its pieces as they are, until there is enough, and how much there was. */
export class KeptBytes {
  readonly pieces: Uint8Array[] = [];
  bytes = 0;

  add(piece: Uint8Array): void {
    if (this.bytes < PAYLOAD_BYTES_MAX) this.pieces.push(piece);
    this.bytes += piece.length;
  }
}
