import type { Address, ConnectionKind } from '../model/connection.ts';
import type { TriggerSource } from '../model/trigger.ts';

/** One thing that was looked at. */
export interface ConnectionCheck {
  /** What: `secrets`, `address`, `name`, `reach`, `tls`, `login`, and what a kind needs besides, such as `wal_level`. */
  readonly name: string;
  readonly ok: boolean;
  /** What was found. Never a password. */
  readonly text: string;
  /** What mends it: a statement or a command where there is one. */
  readonly fix?: string | undefined;
}

/** What a kind of outside service can be asked, besides being read by a source. One a kind. */
export interface ConnectionDriver {
  readonly kind: ConnectionKind;
  /** Where it listens, unless the address says otherwise. */
  readonly port: number;
  /** The scheme of addresses with TLS from the first byte on, and its port; `undefined`: TLS is agreed on after that. */
  readonly tls: { readonly scheme: string; readonly port: number } | undefined;
  /**
   * Logs in and looks at everything that these sources need, in the order in which it is needed. Stops at what makes the
   * rest pointless, leaves nothing open and changes nothing. What fails is a check; it does not throw.
   */
  check(address: Address, sources: readonly TriggerSource[]): Promise<readonly ConnectionCheck[]>;
  /** Left out: the kind takes no messages. */
  readonly sending?: Sending;
}

export interface Sending {
  /** Opens a connection to send through. */
  connect(address: Address): Promise<Sender>;
  /** What is wrong, where that or sending failed, and what mends it. Never the login. */
  explain(error: unknown, address: Address): { readonly text: string; readonly fix?: string | undefined };
}

export interface OutgoingMessage {
  /** The queue, stream or subject, as the kind has it. */
  readonly destination: string;
  readonly id: string;
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of MQTT alone: how it is handed over; `undefined`: 1. */
  readonly qos?: 1 | 2 | undefined;
  /** How many events led to it. */
  readonly depth: number;
}

/** One connection, which is not made anew. */
export interface Sender {
  /** Resolves when the broker has it for good, with the id by which it is known there. */
  send(message: OutgoingMessage): Promise<{ readonly id: string }>;
  /** Rejects when the connection is lost. */
  readonly lost: Promise<never>;
  close(): unknown;
}
