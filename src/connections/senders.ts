import type { Clock, Timer } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import { type FaultOwner, ownedBy } from '../base/fault-owner.ts';
import type { Address } from '../model/connection.ts';
import type { OutgoingMessage, Sender, Sending } from '../ports/connection-driver.ts';

/** Connections that are open for sending. */
const OPEN_MAX = 1_000;
/** Messages of one connection that its broker has not confirmed yet. */
const UNCONFIRMED_MAX = 1_000;
/** From the call to the broker's confirmation, connecting included. */
const SEND_MS_MAX = 15_000;
/** One that nobody uses for so long is closed. */
const IDLE_MS = 60_000;

interface Open {
  readonly sender: Promise<Sender>;
  readonly owner: FaultOwner;
  /** Rejects when the client throws where nobody can catch it. */
  readonly failure: Promise<never>;
  /** Messages on their way. */
  unconfirmed: number;
  idle: Timer | undefined;
}

/**
 * The connections that functions send through: opened by the first message, shared by all functions of the app, closed when idle
 * or lost. An exception that nobody caught, from the depths of a client, ends its own connection and fails what is on its way
 * there. A message is never sent twice by itself: whether one that failed has arrived is for its sender to settle.
 */
export class Senders {
  readonly #clock: Clock;
  readonly #open = new Map<string, Open>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the broker has the message. `E_SEND_FAILED`, `E_OVERLOADED`. */
  async send(
    key: string,
    sending: Sending,
    address: Address,
    message: OutgoingMessage,
  ): Promise<{ readonly id: string }> {
    // Another address is another connection: the one before is closed when it is idle.
    const place = JSON.stringify([key, address]);
    const open = this.#open.get(place) ?? this.#connect(place, sending, address);
    if (open.unconfirmed >= UNCONFIRMED_MAX)
      throw new LambentError(
        'E_OVERLOADED',
        `${UNCONFIRMED_MAX} messages wait for the broker of the connection ${key}.`,
        { retryAfterS: 1 },
      );
    open.idle?.cancel();
    open.unconfirmed += 1;
    const late = Promise.withResolvers<never>();
    const timer = this.#clock.after(SEND_MS_MAX, () =>
      late.reject(new Error(`the broker did not confirm it within ${SEND_MS_MAX / 1_000} s`)),
    );
    try {
      const sent = ownedBy(open.owner, () => open.sender.then((sender) => sender.send(message)));
      return await Promise.race([sent, late.promise, open.failure]);
    } catch (error) {
      if (error instanceof LambentError) throw error;
      const { text, fix } = sending.explain(error, address);
      throw new LambentError('E_SEND_FAILED', text, fix === undefined ? {} : { hint: fix });
    } finally {
      timer.cancel();
      open.unconfirmed -= 1;
      if (open.unconfirmed === 0) open.idle = this.#clock.after(IDLE_MS, () => this.#close(place, open));
    }
  }

  close(): void {
    for (const [place, open] of [...this.#open]) this.#close(place, open);
  }

  #connect(place: string, sending: Sending, address: Address): Open {
    if (this.#open.size >= OPEN_MAX)
      throw new LambentError('E_OVERLOADED', `${OPEN_MAX} connections are open for sending.`, {
        retryAfterS: 5,
      });
    const { promise: failure, reject } = Promise.withResolvers<never>();
    const owner: FaultOwner = { onFault: reject };
    const sender = ownedBy(owner, () => sending.connect(address));
    const open: Open = { sender, owner, failure, unconfirmed: 0, idle: undefined };
    this.#open.set(place, open);
    failure.catch(() => this.#close(place, open));
    open.sender.then(
      ({ lost }) => lost.catch(() => this.#close(place, open)),
      () => this.#close(place, open),
    );
    return open;
  }

  #close(place: string, open: Open): void {
    open.idle?.cancel();
    if (this.#open.get(place) === open) this.#open.delete(place);
    ownedBy(open.owner, () => void open.sender.then((sender) => sender.close()).catch(() => {}));
  }
}
