import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { CANCEL_REASON, FRAME } from '../../src/model/frames.ts';
import { TestInstance } from '../conformance/test-instance.ts';
import {
  encodeClosePayload,
  encodeWebSocketFrame,
  MESSAGE_BYTES_MAX,
  OPCODE,
  WebSocketError,
  WebSocketParser,
} from './websocket.ts';

/** The client of the `ws` package, which has no types of its own. */
interface Client extends EventEmitter {
  send(data: string | Buffer): void;
  ping(data: string): void;
  close(code: number, reason: string): void;
  terminate(): void;
}
const { WebSocket } = createRequire(import.meta.url)('ws') as { WebSocket: new (url: string) => Client };

/** A port in front of an instance: what the gateway does with an upgrade, and no more. */
async function openGate(instance: TestInstance): Promise<{ url: string; server: Server }> {
  const server = createServer();
  server.on('upgrade', (request, socket, head) => {
    const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${String(value)}`);
    const exchange = instance.open({ target: request.url ?? '/', lines, body: head, complete: false });
    exchange.onAnswer = (kind, body, last) => {
      if (kind === FRAME.HTTP_RESPONSE)
        socket.write(`HTTP/1.1 ${exchange.status} Answer\r\n${exchange.block}\r\n`);
      if (body !== undefined) socket.write(body);
      if (last) socket.end();
    };
    socket.on('data', (chunk: Buffer) => exchange.send(chunk, false));
    socket.on('end', () => exchange.send('', true));
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!exchange.ended) exchange.cancel(CANCEL_REASON.callerGone);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

for (const [name, entry] of [
  ['a server of the ws package', 'ws-server.cjs'],
  ['a WebSocketPair', 'ws-pair.mjs'],
] as const) {
  describe(name, () => {
    let instance: TestInstance;
    let gate: { url: string; server: Server };
    before(async () => {
      instance = await TestInstance.start(entry);
      gate = await openGate(instance);
    });
    after(async () => {
      gate.server.closeAllConnections();
      gate.server.close();
      await instance[Symbol.asyncDispose]();
    });

    const connect = async (): Promise<{ socket: Client; next: () => Promise<string | Buffer> }> => {
      const socket = new WebSocket(`${gate.url}/`);
      const messages: (string | Buffer)[] = [];
      socket.on('message', (data: Buffer, isBinary: boolean) => {
        messages.push(isBinary ? data : data.toString());
        socket.emit('arrived');
      });
      const next = async (): Promise<string | Buffer> => {
        if (messages.length === 0) await once(socket, 'arrived', { signal: AbortSignal.timeout(5_000) });
        return messages.shift()!;
      };
      await once(socket, 'open');
      if (entry === 'ws-pair.mjs') assert.equal(await next(), 'welcome');
      return { socket, next };
    };

    it('echoes text and bytes of every size', async () => {
      const { socket, next } = await connect();
      for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
        socket.send('ü'.repeat(size / 2));
        assert.equal(await next(), 'ü'.repeat(size / 2));
        socket.send(Buffer.alloc(size, 3));
        assert.deepEqual(await next(), Buffer.alloc(size, 3));
      }
      socket.close(1000, 'done');
      const [code] = await once(socket, 'close');
      assert.equal(code, 1000);
      await instance.until(() => /closed 1000/.test(instance.logText()));
    });

    it('answers a ping and hears of a connection that breaks', async () => {
      const { socket } = await connect();
      socket.ping('are you there');
      const [payload] = await once(socket, 'pong');
      assert.equal(String(payload), 'are you there');
      socket.terminate();
      await instance.until(() => /closed 1006/.test(instance.logText()));
    });
  });
}

describe('upgrades', () => {
  it('that a server refuses fail, or get the answer it writes', async () => {
    await using instance = await TestInstance.start('ws-server.cjs');
    const upgrade = { headers: { upgrade: 'websocket', connection: 'Upgrade' }, complete: false };
    const refused = await instance.open({ target: '/refuse', ...upgrade }).end();
    assert.equal(refused.failure?.code, 'E_UPGRADE_REFUSED');
    const forbidden = await instance.open({ target: '/forbid', ...upgrade }).end();
    assert.deepEqual([forbidden.status, forbidden.text], [403, 'no']);
    assert.equal((await instance.request()).text, 'plain');
  });

  it('of a pair close with the code that the handler names, and report errors of listeners', async () => {
    await using instance = await TestInstance.start('ws-pair.mjs');
    assert.equal((await instance.request()).status, 426);
    const gate = await openGate(instance);
    try {
      const socket = new WebSocket(gate.url);
      const [response] = (await once(socket, 'upgrade')) as [{ headers: Record<string, string> }];
      assert.equal(response.headers['x-from'], 'pair');
      socket.send('close');
      const [code, reason] = await once(socket, 'close');
      assert.deepEqual([code, String(reason)], [4001, 'as asked']);
      const other = new WebSocket(gate.url);
      await once(other, 'open');
      other.send('throw');
      await once(other, 'close');
      await instance.until(() => instance.retired && /Error: in a listener/.test(instance.logText()));
    } finally {
      gate.server.closeAllConnections();
      gate.server.close();
    }
  });
});

describe('the parser of WebSocket frames', () => {
  const masked = (opcode: number, payload: Uint8Array, first = 0x80): Buffer => {
    const plain = encodeWebSocketFrame(opcode, payload);
    const headBytes = plain.length - payload.length;
    const mask = Buffer.from([1, 2, 3, 4]);
    plain[0] = first | opcode;
    plain[1] = plain[1]! | 0x80;
    const hidden = Buffer.from(payload).map((byte, at) => byte ^ mask[at & 3]!);
    return Buffer.concat([plain.subarray(0, headBytes), mask, hidden]);
  };
  const parse = (...chunks: Buffer[]): string[] => {
    const seen: string[] = [];
    const parser = new WebSocketParser({
      onMessage: (data) => seen.push(typeof data === 'string' ? `text ${data}` : `bytes ${data.length}`),
      onPing: (payload) => seen.push(`ping ${payload.toString()}`),
      onClose: (code, reason) => seen.push(`close ${code} ${reason}`),
    });
    for (const chunk of chunks) parser.push(chunk);
    return seen;
  };
  const closeCodeOf = (...chunks: Buffer[]): number => {
    try {
      parse(...chunks);
    } catch (error) {
      if (error instanceof WebSocketError) return error.closeCode;
    }
    return 0;
  };

  it('puts fragments together, with control frames between them, however the bytes are cut', () => {
    const bytes = Buffer.concat([
      masked(OPCODE.text, Buffer.from('Gr\u00fc').subarray(0, 3), 0),
      masked(OPCODE.ping, Buffer.from('x')),
      masked(
        OPCODE.continuation,
        Buffer.concat([Buffer.from('Gr\u00fc').subarray(3), Buffer.from('\u00dfe')]),
      ),
      masked(OPCODE.binary, Buffer.alloc(70_000)),
      masked(OPCODE.close, encodeClosePayload(4000, 'bye')),
    ]);
    const expected = ['ping x', 'text Gr\u00fc\u00dfe', 'bytes 70000', 'close 4000 bye'];
    assert.deepEqual(parse(bytes), expected);
    for (const size of [1, 2, 7, 1_000]) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      assert.deepEqual(parse(...pieces), expected, `cut every ${size} bytes`);
    }
  });

  it('refuses what RFC 6455 forbids, with the right code', () => {
    assert.equal(closeCodeOf(encodeWebSocketFrame(OPCODE.text, Buffer.from('x'))), 1002, 'not masked');
    assert.equal(closeCodeOf(masked(OPCODE.text, Buffer.from('x'), 0xc0)), 1002, 'reserved bit');
    assert.equal(closeCodeOf(masked(3, Buffer.alloc(0))), 1002, 'unknown opcode');
    assert.equal(closeCodeOf(masked(OPCODE.continuation, Buffer.alloc(0))), 1002, 'continuation of nothing');
    assert.equal(
      closeCodeOf(masked(OPCODE.text, Buffer.alloc(1), 0), masked(OPCODE.text, Buffer.alloc(1))),
      1002,
      'message in a message',
    );
    assert.equal(closeCodeOf(masked(OPCODE.ping, Buffer.alloc(1), 0)), 1002, 'fragmented ping');
    assert.equal(closeCodeOf(masked(OPCODE.ping, Buffer.alloc(126))), 1002, 'long ping');
    assert.equal(closeCodeOf(masked(OPCODE.text, Uint8Array.of(0xc3, 0x28))), 1007, 'not UTF-8');
    assert.equal(
      closeCodeOf(masked(OPCODE.close, encodeClosePayload(1005, ''))),
      1002,
      'close code for nobody',
    );
    const tooLong = masked(OPCODE.binary, Buffer.alloc(0x1_0000)).subarray(0, 14);
    tooLong.writeBigUInt64BE(BigInt(MESSAGE_BYTES_MAX + 1), 2);
    assert.equal(closeCodeOf(tooLong), 1009, 'too long, known from its head');
  });
});
