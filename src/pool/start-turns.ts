/**
 * Who may start the next process when not everybody can. Those that were refused wait in a line; each gets one start
 * and goes to the end of it, so that a function that wants twenty processes does not keep one from the others.
 */
export class StartTurns<Owner> {
  readonly #line = new Set<Owner>();
  #turn: Owner | undefined;

  /** Whether this one may start now, with `room` for another process. If not, it has a place in the line. */
  mayStart(owner: Owner, room: boolean): boolean {
    if (room && (this.#line.size === 0 || this.#turn === owner)) {
      this.#turn = undefined;
      return true;
    }
    this.#line.add(owner);
    return false;
  }

  /** Gives turns, one after another, for as long as there is room and somebody waits. */
  resume(hasRoom: () => boolean, letStart: (owner: Owner) => void): void {
    // Everybody once: who is refused again stays in the line for the next time.
    for (const owner of [...this.#line]) {
      if (!hasRoom()) return;
      this.#line.delete(owner);
      this.#turn = owner;
      letStart(owner);
      this.#turn = undefined;
    }
  }

  forget(owner: Owner): void {
    this.#line.delete(owner);
  }
}
