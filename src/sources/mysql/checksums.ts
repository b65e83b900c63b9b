import { crc32 } from 'node:zlib';

const FORMAT_DESCRIPTION = 15;
const ROTATE = 4;
const CHECKSUM_BYTES = 4;
const CRC32 = 1;

/** Checks events and takes their checksums off. Which they have, the description says that each file begins with. */
export class Checksums {
  #hasThem = false;

  /** `RangeError` for an event that is not as it was written. */
  take(bytes: Buffer): Buffer {
    const type = bytes.readUInt8(4);
    const body = bytes.subarray(0, bytes.length - CHECKSUM_BYTES);
    const isRight = bytes.length > CHECKSUM_BYTES && crc32(body) === bytes.readUInt32LE(body.length);
    if (type === FORMAT_DESCRIPTION) this.#hasThem = bytes.readUInt8(body.length - 1) === CRC32;
    // The server makes some of these up while it sends, before the description and without a checksum.
    else if (type === ROTATE) return isRight ? body : bytes;
    if (!this.#hasThem) return bytes;
    if (!isRight) throw new RangeError('an event of the binary log whose checksum is wrong');
    return body;
  }
}
