import { execFile } from 'node:child_process';
import { chmod, lstat, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { isInside } from './bubblewrap-arguments.ts';

const run = promisify(execFile);

/** Apart from those of instances. */
const FIRST_UID = 1_900_100_000;
const UIDS_MAX = 65_536;
/** Changing the owner of very many files takes its time. */
const CHOWN_MS_MAX = 120_000;

/**
 * Users for tools of builds. Each home folder has one of its own, which its owner tells, so that what one build left is
 * there for the next one and for no other app's. Folders that a tool may write to are lent to it, and taken back.
 */
export class ToolUsers {
  readonly #scratchRoot: string;
  /** How many tools of one user write to a folder at the moment. */
  readonly #lent = new Map<string, number>();
  #choosing: Promise<unknown> = Promise.resolve();

  /** `scratchRoot`: holds all folders that are lent; only ours, so that passing through it shows nothing. */
  constructor(scratchRoot: string) {
    this.#scratchRoot = scratchRoot;
  }

  /** The user of a home folder, which becomes its owner when it is nobody's yet. */
  ownerOf(home: string): Promise<number> {
    const chosen = this.#choosing.then(() => this.#choose(home));
    this.#choosing = chosen.catch(() => {});
    return chosen;
  }

  /** Lets the user read what lies here. Only its way there is opened: a link is not followed. */
  async show(path: string): Promise<void> {
    if (!isInside(path, this.#scratchRoot)) return;
    for (let at = dirname(path); isInside(at, this.#scratchRoot); at = dirname(at)) await chmod(at, 0o711);
    if ((await lstat(path)).isDirectory()) await chmod(path, 0o755);
  }

  async lend(folder: string, uid: number): Promise<void> {
    const count = this.#lent.get(folder) ?? 0;
    this.#lent.set(folder, count + 1);
    if (count === 0) await changeOwner(folder, uid);
  }

  /** Also takes back rights of programs to run as their owner: changing the owner takes them away. */
  async takeBack(folder: string): Promise<void> {
    const count = (this.#lent.get(folder) ?? 1) - 1;
    if (count > 0) this.#lent.set(folder, count);
    else {
      this.#lent.delete(folder);
      await changeOwner(folder, 0);
    }
  }

  async #choose(home: string): Promise<number> {
    const { uid } = await lstat(home);
    if (isToolUser(uid)) return uid;
    const taken = new Set<number>();
    for (const name of await readdir(dirname(home))) {
      const facts = await lstat(join(dirname(home), name)).catch(() => undefined);
      if (facts !== undefined) taken.add(facts.uid);
    }
    for (let candidate = FIRST_UID; candidate < FIRST_UID + UIDS_MAX; candidate++) {
      if (taken.has(candidate)) continue;
      await changeOwner(home, candidate);
      return candidate;
    }
    throw new RangeError(`more than ${UIDS_MAX} homes of builds`);
  }
}

function isToolUser(uid: number): boolean {
  return uid >= FIRST_UID && uid < FIRST_UID + UIDS_MAX;
}

/** Links themselves change hands, not what they lead to. */
async function changeOwner(folder: string, uid: number): Promise<void> {
  await run('chown', ['-R', '-P', '-h', `${uid}:${uid}`, '--', folder], { timeout: CHOWN_MS_MAX });
}
