import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { IConnackPacket, IDisconnectPacket, Packet } from 'mqtt-packet';
import type { Clock, Timer } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { Address } from '../../model/connection.ts';

/*
 * One connection to a broker of MQTT: the network, the login, and signs of life. What the packets mean is for those who
 * listen. MQTT 5 is spoken, and 3.1.1 with a broker that refuses it.
 *
 * A packet has at most the 256 MiB that the protocol can say, so that is the most that is held of one.
 */

const CONNECT_MS = 10_000;
/** What the broker waits for a sign of us, and a half more, unless it asks for another time. */
const KEEP_ALIVE_S = 30;
/** Half the time is between two signs; after so many of these without one of the broker the connection is lost. */
const SILENT_MAX = 3;
/** What is left to write has so long when the connection is closed. */
const CLOSE_MS = 2_000;
/** How long a broker keeps the session of a client that is away, in seconds: 30 days. */
const SESSION_S = 30 * 24 * 60 * 60;
/** What the protocol says where the broker says nothing. */
const IN_FLIGHT_DEFAULT = 65_535;
const PORTS = { plain: 1883, tls: 8883 };

export type MqttVersion = 4 | 5;

export interface MqttOptions {
  readonly clock: Clock;
  /** Empty: the broker finds one. */
  readonly clientId: string;
  /** Whether the broker keeps subscriptions, and what comes, while the client is away. */
  readonly isKept: boolean;
  /** Messages that the broker may give before one is acknowledged (MQTT 5). */
  readonly receiveMax?: number;
}

/** Resolves when it is logged in. It is not made anew. `E_BROKER_SETUP`. */
export async function connectMqtt(address: Address, options: MqttOptions): Promise<MqttConnection> {
  const connection = await MqttConnection.open(address, options, 5);
  return connection ?? (await MqttConnection.open(address, options, 4))!;
}

export class MqttConnection {
  readonly version: MqttVersion;
  /** Rejects when the connection is lost. */
  readonly lost: Promise<never>;
  readonly #lose: (error: Error) => void;
  readonly #socket: Socket;
  readonly #codec: typeof import('mqtt-packet');
  #ack: IConnackPacket | undefined;
  #timer: Timer | undefined;
  #silent = 0;
  #early: Packet[] = [];
  #take: ((packet: Packet) => void) | undefined;

  private constructor(socket: Socket, codec: typeof import('mqtt-packet'), version: MqttVersion) {
    this.version = version;
    this.#socket = socket;
    this.#codec = codec;
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    this.lost = promise;
    this.#lose = reject;
  }

  /** `undefined`: the broker does not speak this version. */
  static async open(
    address: Address,
    options: MqttOptions,
    version: MqttVersion,
  ): Promise<MqttConnection | undefined> {
    const codec = await import('mqtt-packet');
    const connection = new MqttConnection(dial(address), codec, version);
    const timer = options.clock.after(CONNECT_MS, () => connection.#lose(new Error('timeout of the login')));
    try {
      const ack = await Promise.race([connection.#logIn(address, options), connection.lost]);
      const code = ack.reasonCode ?? ack.returnCode ?? 0;
      if (code !== 0) {
        connection.#socket.destroy();
        if (version === 5 && VERSION_REFUSED.has(code)) return undefined;
        throw refusal(code, ack.properties?.reasonString, options.clientId);
      }
      connection.#keepAlive(options.clock, ack);
      return connection;
    } catch (error) {
      connection.#socket.destroy();
      throw error;
    } finally {
      timer.cancel();
    }
  }

  /** Messages that the broker takes before it has confirmed one. */
  get inFlightMax(): number {
    return this.#ack?.properties?.receiveMaximum ?? IN_FLIGHT_DEFAULT;
  }

  /** Bytes of a packet that the broker takes; `undefined`: it does not say. */
  get packetBytesMax(): number | undefined {
    return this.#ack?.properties?.maximumPacketSize;
  }

  /** What a message can be handed over with at most; brokers of 3.1.1 do not say. */
  get qosMax(): number {
    return this.#ack?.properties?.maximumQoS ?? 2;
  }

  /** Where packets go from now on, and those that came already. */
  listen(take: (packet: Packet) => void): void {
    this.#take = take;
    for (const packet of this.#early.splice(0)) take(packet);
    this.#socket.resume();
  }

  write(packet: Packet): void {
    this.#socket.write(this.#codec.generate(packet, { protocolVersion: this.version }));
  }

  /** Nothing more is read until `resume`, and so the broker holds back. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Resolves when what was written is sent, and the connection has ended. */
  async close(): Promise<void> {
    const socket = this.#socket;
    this.#timer?.cancel();
    this.#lose(new Error('it is no longer wanted'));
    if (socket.destroyed) return;
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.setTimeout(CLOSE_MS, () => socket.destroy());
    this.#take = () => {};
    this.write({ cmd: 'disconnect', reasonCode: 0 });
    socket.end();
    socket.resume();
    await closed;
  }

  /** Resolves with the broker's answer, whatever it is. */
  #logIn({ url }: Address, { clientId, isKept, receiveMax }: MqttOptions): Promise<IConnackPacket> {
    const { promise, resolve } = Promise.withResolvers<IConnackPacket>();
    const parser = this.#codec.parser({ protocolVersion: this.version });
    parser.on('packet', (packet) => {
      if (packet.cmd === 'connack') {
        this.#ack = packet;
        this.#socket.pause();
        resolve(packet);
      } else this.#receive(packet);
    });
    parser.on('error', (error: Error) => this.#lose(new Error(`not MQTT: ${error.message}`)));
    const socket = this.#socket;
    socket.on('data', (bytes: Buffer) => {
      this.#silent = 0;
      try {
        parser.parse(bytes);
      } catch (error) {
        this.#lose(error as Error);
      }
    });
    socket.on('error', this.#lose);
    socket.on('close', () => this.#lose(new Error('the broker closed the connection')));
    const { username, password } = new URL(url);
    this.write({
      ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: this.version, keepalive: KEEP_ALIVE_S },
      ...{ clientId, clean: !isKept },
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: Buffer.from(decodeURIComponent(password)) }),
      properties: {
        ...(isKept ? { sessionExpiryInterval: SESSION_S } : {}),
        ...(receiveMax === undefined ? {} : { receiveMaximum: receiveMax }),
      },
    });
    return promise;
  }

  #receive(packet: Packet): void {
    if (packet.cmd === 'pingresp') return;
    if (packet.cmd === 'disconnect') this.#lose(farewell(packet));
    else if (this.#take === undefined) this.#early.push(packet);
    else this.#take(packet);
  }

  /** While nothing is read, nothing can be heard. */
  #keepAlive(clock: Clock, ack: IConnackPacket): void {
    const keepAliveS = ack.properties?.serverKeepAlive || KEEP_ALIVE_S;
    this.#timer = clock.every(keepAliveS * 500, () => {
      this.#silent = this.#socket.isPaused() ? 0 : this.#silent + 1;
      if (this.#silent > SILENT_MAX) {
        this.#lose(new Error('timeout: the broker gives no sign'));
        this.#socket.destroy();
      } else this.write({ cmd: 'pingreq' });
    });
  }
}

function dial({ url, tls }: Address): Socket {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const isTls = protocol === 'mqtts:' || tls !== undefined;
  const place = { host, port: Number(port) || (isTls ? PORTS.tls : PORTS.plain) };
  const socket = isTls ? connectTls({ servername: serverName(host), ...place, ...tls }) : connectTcp(place);
  return socket.setNoDelay(true);
}

/** An address is no name that TLS could ask for. */
function serverName(host: string): string {
  return /^[\d.]+$|:/.test(host) ? '' : host;
}

/** Of 3.1.1, whose codes are below 128, and of 5. */
const VERSION_REFUSED: ReadonlySet<number> = new Set([0x01, 0x84]);
const ID_REFUSED: ReadonlySet<number> = new Set([0x02, 0x85]);
const LOGIN_REFUSED: ReadonlyMap<number, string> = new Map([
  [0x04, 'bad user name or password'],
  [0x05, 'not authorized'],
  [0x86, 'bad user name or password'],
  [0x87, 'not authorized'],
  [0x8a, 'not authorized: this client is banned'],
  [0x8c, 'authentication in a way that is not known here'],
]);
const SESSION_TAKEN = 0x8e;

function refusal(code: number, reason: string | undefined, clientId: string): Error {
  const words = reason === undefined ? '' : ` (${reason})`;
  if (ID_REFUSED.has(code))
    return new LambentError('E_BROKER_SETUP', `The broker refuses the client id “${clientId}”${words}.`, {
      hint: 'Let it in at the broker, or set `client` of the trigger to what client ids may begin with there.',
    });
  const login = LOGIN_REFUSED.get(code);
  return new Error(
    login === undefined
      ? `the broker refuses the connection with code ${code}${words}`
      : `${login} (code ${code})`,
  );
}

function farewell({ reasonCode, properties }: IDisconnectPacket): Error {
  if (reasonCode === SESSION_TAKEN)
    return new LambentError('E_BROKER_SETUP', 'Another client took over the session at the broker.', {
      hint: 'Only one platform may read with a client id: give the trigger another `client` in one of them.',
    });
  const words = properties?.reasonString === undefined ? '' : `: ${properties.reasonString}`;
  return new Error(`the broker closed the connection with code ${reasonCode ?? 0}${words}`);
}
