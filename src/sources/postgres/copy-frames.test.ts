import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { createSeededRandom } from '../../base/random.ts';
import { readCopyFrames } from './copy-frames.ts';

function message(letter: string, content: string): Buffer {
  const header = Buffer.alloc(5);
  header.write(letter);
  header.writeUInt32BE(4 + Buffer.byteLength(content), 1);
  return Buffer.concat([header, Buffer.from(content)]);
}

/** Reads what is written, and notes everything that comes of it, in order. */
function open() {
  const stream = new PassThrough();
  const got: string[] = [];
  stream.on('data', (bytes: Buffer) => got.push(`other ${bytes.toString()}`));
  readCopyFrames(stream, {
    heard() {},
    data(bytes, start, end) {
      const content = bytes.toString('utf8', start, end);
      if (content === 'bad') throw new Error('bad');
      got.push(`data ${content}`);
    },
    failed(error) {
      got.push(String(error));
      stream.destroy();
    },
  });
  return { stream, got };
}

describe('frames of copied data', () => {
  it('finds each message, wherever the pieces are cut, and leaves the others to the parser', () => {
    const random = createSeededRandom(3);
    for (let round = 0; round < 200; round += 1) {
      const messages = Array.from({ length: 12 }, (_, at) =>
        message(random.fraction() < 0.8 ? 'd' : 'N', String(at).repeat(Math.floor(random.fraction() * 40))),
      );
      const { stream, got } = open();
      const bytes = Buffer.concat(messages);
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + Math.floor(random.fraction() * (round % 2 === 0 ? 7 : 200));
        stream.emit('data', bytes.subarray(at, end));
        at = end;
      }
      assert.deepEqual(
        got,
        messages.map((each) =>
          each[0] === 0x64 ? `data ${each.subarray(5).toString()}` : `other ${each.toString()}`,
        ),
      );
    }
  });

  it('ends with the first failure, and takes nothing of what comes behind it', () => {
    const failing = open();
    failing.stream.emit('data', Buffer.concat(['a', 'bad', 'b'].map((text) => message('d', text))));
    failing.stream.emit('data', message('d', 'c'));
    assert.deepEqual(failing.got, ['data a', 'Error: bad']);
    const strange = open();
    strange.stream.emit('data', Buffer.from('d\0\0\0\u0001'));
    assert.deepEqual(strange.got, ['RangeError: a message of 1 bytes']);
  });
});
