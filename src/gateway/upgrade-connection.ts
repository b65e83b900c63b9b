import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { defectError } from '../base/defects.ts';
import { LambentError } from '../base/errors.ts';
import type { HttpExchange, HttpSink } from '../ports/invoker.ts';
import { BodyPump } from './body-pump.ts';
import { contained } from './contained.ts';
import { withCors } from './cors.ts';
import type { GeneralConnection, GeneralHost } from './general-connection.ts';
import { callFunction, type Decision, decide, decidePreview, failureAnswer } from './handle-request.ts';
import { type ReadRequest, readRequest } from './read-request.ts';
import { type Answer, closingAnswer, errorAnswer, statusLine } from './respond.ts';
import { GOING_AWAY, WebSocketFrames } from './websocket-frames.ts';

/**
 * Whether a request may leave HTTP. `h2c` is no upgrade that the gateway makes: clients offer it with ordinary
 * requests and take an ordinary answer (RFC 9110, 7.8).
 */
export function wantsUpgrade(request: IncomingMessage): boolean {
  return request.headers.upgrade !== undefined && !/^\s*h2c?\b/i.test(request.headers.upgrade);
}

/** A request to switch protocols, in practice to WebSocket. After a 101 the gateway passes raw bytes both ways. */
export function handleUpgrade(
  host: GeneralHost,
  connection: GeneralConnection,
  request: IncomingMessage,
  socket: Duplex,
  early: Buffer,
): void {
  const { parts } = host;
  const id = parts.mintId();
  socket.on('error', () => socket.destroy());
  const read = readRequest(request, true);
  if (read instanceof LambentError) {
    refuse(host, socket, errorAnswer(read, id), id);
    return;
  }
  const { incoming } = read;
  const shownId = incoming.requestId ?? id;
  const fail = (thrown: unknown): void => {
    if (!(thrown instanceof LambentError)) host.defects.note('an upgrade was answered', thrown);
    const error = thrown instanceof LambentError ? thrown : defectError();
    refuse(host, socket, failureAnswer(parts, error, shownId), shownId);
  };
  const proceed = (decision: Decision): void => {
    if (decision.kind === 'answer') refuse(host, socket, decision.answer, shownId);
    else if (decision.kind === 'platform')
      fail(new LambentError('E_UPGRADE_REFUSED', 'this path takes no upgrade'));
    else if (decision.kind === 'function')
      connect(host, connection, request, socket, early, decision, read, id);
    else decidePreview(parts, decision.preview, incoming, shownId).then(proceed).catch(fail);
  };
  try {
    proceed(decide(parts, incoming, shownId));
  } catch (error) {
    fail(error);
  }
}

function connect(
  host: GeneralHost,
  connection: GeneralConnection,
  request: IncomingMessage,
  socket: Duplex,
  early: Buffer,
  decision: Extract<Decision, { kind: 'function' }>,
  read: ReadRequest,
  id: string,
): void {
  const sink = new UpgradeExchange(host, socket, decision.corsLines, read.incoming.requestId ?? id);
  const call = {
    headerLines: read.headerLines,
    remoteAddress: request.socket.remoteAddress ?? '',
    upgrade: true,
    body: undefined,
    bodyComplete: false,
  };
  const upstream = callFunction(host.parts, decision, read.incoming, call, id, sink);
  connection.goAway = () => sink.goAway();
  sink.begin(upstream);
  if (sink.over) return;
  if (early.length > 0) socket.unshift(early);
  sink.receive(new BodyPump(host, socket, socket, upstream, () => true));
}

/** Answers in HTTP and closes. What the client still sends is taken in, so that it gets to read the answer. */
function refuse(host: GeneralHost, socket: Duplex, answer: Answer, id: string): void {
  if (socket.writable) socket.end(closingAnswer(answer, host.date, id), 'utf8');
  closeSoon(host, socket);
}

/** The gateway's side has ended; the client's may take as long as the rest of a body may. */
export function closeSoon(host: GeneralHost, socket: Duplex): void {
  if (socket.destroyed) return;
  socket.resume();
  const cut = host.clock.after(host.limits.lingerMs, () => socket.destroy());
  socket.once('close', () => cut.cancel());
}

/** In the head of a 101. */
const WEBSOCKET_LINE = /^upgrade: *websocket *\r$/im;

/** Writes the function's side of an upgraded connection. */
class UpgradeExchange implements HttpSink {
  over = false;
  readonly #host: GeneralHost;
  readonly #socket: Duplex;
  readonly #corsLines: string;
  readonly #requestId: string;
  #upstream: HttpExchange | undefined;
  #pump: BodyPump | undefined;
  #headSent = false;
  #owedBytes = 0;
  /** What the function sends, where it is a WebSocket. */
  #frames: WebSocketFrames | undefined;
  /** The server stops: the connection ends after the present frame. */
  #leaving = false;

  constructor(host: GeneralHost, socket: Duplex, cors: string, requestId: string) {
    this.#host = host;
    this.#socket = socket;
    this.#corsLines = cors;
    this.#requestId = requestId;
    const drained = (): void => {
      const owed = this.#owedBytes;
      this.#owedBytes = 0;
      if (owed > 0) this.#upstream?.credit(owed);
    };
    const closed = (): void => {
      if (!this.over) this.#upstream?.cancel('callerGone');
      this.over = true;
    };
    socket.on('drain', contained(host, socket, drained));
    socket.on('close', contained(host, socket, closed));
  }

  begin(upstream: HttpExchange): void {
    this.#upstream = upstream;
  }

  receive(pump: BodyPump): void {
    this.#pump = pump;
  }

  onHead(status: number, headerBlock: string, _contentLength: number, body: Buffer | undefined): void {
    this.#headSent = true;
    const isSwitch = status === 101;
    // Refused: what the client sends is no longer for the function. The end of the connection ends the body.
    if (!isSwitch) this.#pump?.discard();
    const connection = isSwitch ? 'connection: Upgrade\r\n' : 'connection: close\r\n';
    const block = withCors(headerBlock, this.#corsLines);
    this.#socket.write(
      `${statusLine(status)}${block}${connection}${this.#host.date.line()}x-request-id: ${this.#requestId}\r\n\r\n`,
      'latin1',
    );
    if (isSwitch && WEBSOCKET_LINE.test(headerBlock)) this.#frames = new WebSocketFrames();
    if (body !== undefined) this.onBody(body);
    if (isSwitch && this.#host.closing) this.goAway();
  }

  /**
   * The server stops. A WebSocket is told so, and its closing goes its usual way, through the function too, if that
   * does not take long; of other protocols only the end of the connection is known.
   */
  goAway(): void {
    // One that is not answered yet hears of it when it is.
    if (!this.#headSent || this.over || this.#leaving) return;
    if (this.#frames === undefined) {
      this.#socket.end(() => this.#socket.destroy());
      return;
    }
    this.#leaving = true;
    const { clock, limits } = this.#host;
    const cut = clock.after(limits.lingerMs, () => this.#socket.destroy());
    this.#socket.once('close', () => cut.cancel());
    if (this.#frames.betweenFrames) this.#sayGoingAway(this.#frames);
  }

  #sayGoingAway(frames: WebSocketFrames): void {
    if (frames.closed) return;
    frames.pass(GOING_AWAY);
    this.#socket.write(GOING_AWAY);
  }

  onBody(received: Buffer): void {
    const chunk = this.#frames === undefined ? received : this.#passFrames(this.#frames, received);
    if (chunk.length < received.length) this.#upstream?.credit(received.length - chunk.length);
    if (this.over || this.#socket.write(chunk)) this.#upstream?.credit(chunk.length);
    else this.#owedBytes += chunk.length;
  }

  /** What of the function's bytes goes on to the client. */
  #passFrames(frames: WebSocketFrames, chunk: Buffer): Buffer {
    if (!this.#leaving) {
      frames.pass(chunk);
      return chunk;
    }
    if (frames.betweenFrames) return chunk.subarray(0, 0);
    const passed = chunk.subarray(0, frames.passRest(chunk));
    if (!frames.betweenFrames) return passed;
    this.#socket.write(passed);
    this.#sayGoingAway(frames);
    return chunk.subarray(0, 0);
  }

  onEnd(): void {
    this.over = true;
    this.#socket.end();
    this.#letGo();
  }

  onFailure(error: LambentError): void {
    if (this.over) return;
    this.over = true;
    contained(this.#host, this.#socket, () => this.#fail(error))();
  }

  #fail(error: LambentError): void {
    if (this.#headSent) {
      // The client speaks another protocol by now: only the end of the connection tells it.
      this.#socket.destroy();
      return;
    }
    const answer = failureAnswer(this.#host.parts, error, this.#requestId);
    const block = withCors(answer.block, this.#corsLines);
    this.#socket.end(closingAnswer({ ...answer, block }, this.#host.date, this.#requestId), 'utf8');
    this.#letGo();
  }

  onCredit(bytes: number): void {
    this.#pump?.onCredit(bytes);
  }

  #letGo(): void {
    this.#pump?.discard();
    closeSoon(this.#host, this.#socket);
  }
}
