import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Invocation } from '../node/invocations.ts';
import { headerBlockOf, ProxiedAnswer } from './proxied-answer.ts';
import { forwardedHeaders, type ServerProxy } from './server-proxy.ts';

const EMPTY = new Uint8Array(0);

/** Whether the caller wants another protocol on the connection, such as WebSocket. */
export function isUpgrade(invocation: Invocation): boolean {
  return invocation.head.includes('\nupgrade: ');
}

/** Passes an upgrade on. If the server accepts it, bytes go both ways as they come; if not, its answer is one like others. */
export function proxyUpgrade(proxy: ServerProxy, invocation: Invocation): void {
  const head = invocation.http;
  const request = proxy.open(head, forwardedHeaders(head), false);
  request.once('upgrade', (response: IncomingMessage, socket: Duplex, rest: Buffer) => {
    invocation.upgrade();
    invocation.respond(101, headerBlockOf(response.rawHeaders, true), undefined, 0, false);
    if (rest.length > 0) invocation.write(rest, false);
    join(invocation, socket);
  });
  request.once('response', (response: IncomingMessage) =>
    new ProxiedAnswer(invocation, response, (thrown) => proxy.fail(invocation, thrown)).begin(),
  );
  request.on('error', (error) => {
    if (!invocation.answered) proxy.failUnanswered(invocation, error);
  });
  invocation.onCancel = () => {
    request.destroy();
    invocation.end();
  };
  request.end();
}

function join(invocation: Invocation, socket: Duplex): void {
  socket.on('data', (chunk: Buffer) => {
    if (invocation.write(chunk, false)) return;
    socket.pause();
    void invocation.drained().then(() => socket.resume());
  });
  socket.once('end', () => invocation.write(EMPTY, true));
  socket.on('error', () => {});
  socket.once('close', () => invocation.end());
  invocation.onCancel = () => {
    socket.destroy();
    invocation.end();
  };
  const pull = (): void => {
    try {
      for (;;) {
        const piece = invocation.read();
        if (piece === undefined) {
          invocation.onBody = pull;
          return;
        }
        invocation.onBody = undefined;
        if (piece === null) {
          socket.end();
          return;
        }
        if (!socket.write(piece)) {
          socket.once('drain', pull);
          return;
        }
      }
    } catch {
      // The caller is gone.
      socket.destroy();
    }
  };
  pull();
}
