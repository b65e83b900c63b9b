import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSeededRandom } from '../base/random.ts';
import {
  encodeFrame,
  FLAG_FIN,
  FRAME,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_MAX,
  FrameParser,
  parseHttpHead,
} from './frames.ts';

interface Seen {
  kind: number;
  flags: number;
  stream: number;
  payload: string;
}

function collect(): { seen: Seen[]; parser: FrameParser } {
  const seen: Seen[] = [];
  const parser = new FrameParser((kind, flags, stream, payload) =>
    seen.push({ kind, flags, stream, payload: payload.toString('latin1') }),
  );
  return { seen, parser };
}

describe('frames', () => {
  it('come out as they went in, however the bytes are cut', () => {
    const random = createSeededRandom(7);
    const sizes = [0, 1, 11, 12, 13, 100, 5_000, 70_000, 3, FRAME_PAYLOAD_MAX];
    const sent = sizes.map((size, index) => ({
      kind: FRAME.BODY,
      flags: index % 2,
      stream: index + 1,
      payload: 'x'.repeat(size),
    }));
    const bytes = Buffer.concat(
      sent.map((frame) => encodeFrame(frame.kind, frame.flags, frame.stream, Buffer.from(frame.payload))),
    );
    for (let round = 0; round < 20; round++) {
      const { seen, parser } = collect();
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + Math.floor(random.fraction() ** 4 * 100_000);
        assert.ok(parser.push(bytes.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(seen, sent);
    }
  });

  it('are refused when too long, before their payload is collected', () => {
    const { seen, parser } = collect();
    const header = Buffer.alloc(FRAME_HEADER_BYTES);
    header.writeUInt32LE(FRAME_PAYLOAD_MAX + 1);
    assert.equal(parser.push(header), false);
    assert.deepEqual(seen, []);
  });

  it('are refused when the reserved field is not zero', () => {
    const frame = encodeFrame(FRAME.BODY, FLAG_FIN, 1, Buffer.from('hello'));
    frame[10] = 1;
    assert.equal(collect().parser.push(frame), false);
  });

  it('carry the head of a request as lines', () => {
    const head = parseHttpHead(
      'id\n1700000000000\n127.0.0.1\nhttp\nGET /users/:id\nid=a%20b\nGET /users/a%20b?x=1\nhost: localhost\nx-a: b: c',
    );
    assert.deepEqual(head, {
      requestId: 'id',
      deadlineMs: 1_700_000_000_000,
      remoteAddress: '127.0.0.1',
      scheme: 'http',
      route: 'GET /users/:id',
      params: 'id=a%20b',
      method: 'GET',
      target: '/users/a%20b?x=1',
      headers: ['host: localhost', 'x-a: b: c'],
    });
  });
});
