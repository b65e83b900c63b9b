import { Socket } from 'node:net';

/**
 * Reads accepted connections into one shared buffer. Node allocates 64 KiB for each read of an accepted socket and
 * passes it through a stream; a client socket can instead be given a buffer (`onread`), but a server's cannot, at
 * least not by a documented way. Moving the handle into a new `Socket` with `onread` saves a good part of the
 * cost of a small request (bench/tried.md). It leans on three internals of the pinned Node; where
 * they are not as expected the socket is read in the ordinary way, and everything else stays the same.
 */

/** Called with the shared buffer and how many bytes of it are new. Copy what has to outlast the call. */
export type OnBytes = (buffer: Buffer, bytes: number) => void;

interface HandleOwner {
  _handle: { useUserBuffer?: unknown } | null;
  _server: unknown;
}

const SHARED_BYTES = 64 * 1024;
const shared = Buffer.allocUnsafeSlow(SHARED_BYTES);

/** The options that `Socket` takes besides the documented ones. */
interface SocketWithHandle {
  handle: unknown;
  allowHalfOpen: boolean;
  onread: { buffer: Buffer; callback: (bytes: number, buffer: Uint8Array) => boolean };
}

function moveHandle(
  from: Socket,
  callback: (bytes: number, buffer: Uint8Array) => boolean,
): Socket | undefined {
  const owner = from as unknown as HandleOwner;
  const handle = owner._handle;
  if (typeof handle?.useUserBuffer !== 'function' || !('_server' in owner)) return undefined;
  const server = owner._server;
  owner._handle = null;
  owner._server = null;
  const options: SocketWithHandle = { handle, allowHalfOpen: true, onread: { buffer: shared, callback } };
  const socket = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0]);
  // The listening server counts its connections by this field.
  (socket as unknown as HandleOwner)._server = server;
  return socket;
}

/** Takes an accepted, still paused socket and delivers what it reads to `onBytes`. Use the socket that it returns. */
export function readInto(accepted: Socket, onBytes: OnBytes, shareBuffer = true): Socket {
  const moved = shareBuffer
    ? moveHandle(accepted, (bytes, buffer) => {
        onBytes(buffer as Buffer, bytes);
        return true;
      })
    : undefined;
  if (moved !== undefined) return moved;
  accepted.on('data', (chunk: Buffer) => onBytes(chunk, chunk.length));
  return accepted;
}

/** Turns a socket of `readInto` back into an ordinary stream that begins with `chunk`. Use the socket that it returns. */
export function asStream(socket: Socket, chunk: Buffer): Socket {
  socket.removeAllListeners();
  const push = (bytes: number, buffer: Uint8Array): boolean =>
    stream.push(Buffer.from(buffer.subarray(0, bytes)));
  const stream: Socket = moveHandle(socket, push) ?? socket;
  stream.pause();
  stream.unshift(chunk);
  return stream;
}
