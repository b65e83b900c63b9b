import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * Whose work is being done: of whatever is begun by it (timers, sockets and their events, promises) it is known later,
 * when an exception comes out of a callback where nobody can catch it. Libraries of others call back on sockets of
 * their own; this is the only way to tell whose they are. Work that is begun for nobody costs nothing.
 */
export interface FaultOwner {
  /** Something of it threw where nobody could catch it. Must not throw. */
  onFault(thrown: unknown): void;
}

const owners = new AsyncLocalStorage<FaultOwner | undefined>();

export function ownedBy<Result>(owner: FaultOwner, work: () => Result): Result {
  return owners.run(owner, work);
}

/** For the way back into the platform: what that does is its own, whoever asked for it. */
export function ownedByNobody<Result>(work: () => Result): Result {
  return owners.run(undefined, work);
}

/** In a listener of `uncaughtException`: whose work it was. */
export function currentOwner(): FaultOwner | undefined {
  return owners.getStore();
}
