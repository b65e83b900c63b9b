/**
 * A user for each instance: ids that no other program of the system has, so that one instance means nothing to
 * another, and the limits that the kernel counts by user are its own.
 */

/** Above what systems give to people, services, containers and subordinate users. */
const FIRST_UID = 1_900_000_000;
const UIDS_MAX = 65_536;

export class InstanceUsers {
  readonly #taken = new Set<number>();
  #next = 0;

  /** One that none has. Ids come back into use as late as possible. */
  take(): number {
    for (let tries = 0; tries < UIDS_MAX; tries++) {
      const uid = FIRST_UID + this.#next;
      this.#next = (this.#next + 1) % UIDS_MAX;
      if (this.#taken.has(uid)) continue;
      this.#taken.add(uid);
      return uid;
    }
    throw new RangeError(`more than ${UIDS_MAX} instances`);
  }

  release(uid: number): void {
    this.#taken.delete(uid);
  }
}
