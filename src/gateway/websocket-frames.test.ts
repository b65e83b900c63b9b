import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GOING_AWAY, WebSocketFrames } from './websocket-frames.ts';

/** A frame as one end sends it; `masked` as clients do. */
function frame(opcode: number, payloadBytes: number, masked = false): Buffer {
  const extended =
    payloadBytes < 126 ? Buffer.alloc(0) : payloadBytes < 65_536 ? Buffer.alloc(2) : Buffer.alloc(8);
  if (extended.length === 2) extended.writeUInt16BE(payloadBytes);
  if (extended.length === 8) extended.writeBigUInt64BE(BigInt(payloadBytes));
  const short = extended.length === 0 ? payloadBytes : extended.length === 2 ? 126 : 127;
  const head = Buffer.of(0x80 | opcode, (masked ? 0x80 : 0) | short);
  // Bytes that would be taken for the header of another frame, were they read as one.
  return Buffer.concat([head, extended, Buffer.alloc(masked ? 4 : 0, 1), Buffer.alloc(payloadBytes, 0x88)]);
}

const FRAMES = [
  frame(1, 0),
  frame(1, 5),
  frame(2, 125, true),
  frame(2, 126),
  frame(9, 4),
  frame(2, 70_000, true),
];

describe('the frames of a WebSocket', () => {
  it('are told apart however the bytes are cut', () => {
    const bytes = Buffer.concat(FRAMES);
    const ends = new Set<number>([0]);
    for (const { length } of FRAMES) ends.add(Math.max(...ends) + length);
    for (const size of [1, 2, 3, 7, 64, 4_096, bytes.length]) {
      const frames = new WebSocketFrames();
      for (let at = 0; at < bytes.length; at += size) {
        assert.equal(frames.betweenFrames, ends.has(at), `cut into ${size}, at ${at}`);
        frames.pass(bytes.subarray(at, at + size));
      }
      assert.equal(frames.betweenFrames, true);
      assert.equal(frames.closed, false);
    }
  });

  it('end where the one that has begun ends', () => {
    const frames = new WebSocketFrames();
    const begun = frame(2, 200);
    frames.pass(begun.subarray(0, 3));
    assert.equal(frames.passRest(begun.subarray(3, 100)), 97);
    assert.equal(frames.betweenFrames, false);
    assert.equal(frames.passRest(Buffer.concat([begun.subarray(100), frame(1, 9)])), begun.length - 100);
    assert.equal(frames.betweenFrames, true);
    assert.equal(frames.passRest(frame(1, 9)), 0, 'none has begun');
  });

  it('may be closed', () => {
    const frames = new WebSocketFrames();
    frames.pass(GOING_AWAY);
    assert.deepEqual([frames.betweenFrames, frames.closed], [true, true]);
  });
});
