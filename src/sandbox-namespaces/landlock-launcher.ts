/**
 * A program of a few hundred bytes that every instance goes through: it restricts itself with Landlock and becomes the
 * program that its arguments name. The restriction has to be made by the process itself before it becomes the
 * function's, and no program that systems have does so. It is written here instruction by instruction, for no machine
 * that runs Lambent needs a compiler.
 *
 * What mounts grant already is granted once more, and nothing beside it: should an instance get hold of a file that was
 * never meant to be there, it can read what lies below its own root, and write to its scratch folders alone.
 *
 * Only for x64; elsewhere instances go without.
 */

import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** `landlock_create_ruleset(2)` knows more rights with each version; older kernels refuse those they do not know. */
export const LANDLOCK_VERSIONS = [6, 5, 3, 2, 1] as const;
export type LandlockVersion = (typeof LANDLOCK_VERSIONS)[number];

/** Exit code when the restriction cannot be made. */
export const NOT_RESTRICTED = 126;

const [EXECUTE, READ_FILE, READ_DIR] = [1, 4, 8];
/** All of version 1; then moving between folders, truncating, and commands to devices. */
const RIGHTS: Readonly<Record<LandlockVersion, number>> = {
  1: 0x1fff,
  2: 0x3fff,
  3: 0x7fff,
  5: 0xffff,
  6: 0xffff,
};
/** Neither abstract sockets nor signals to processes that are not restricted alike. */
const SCOPES = 0b11;

interface Rule {
  readonly path: string;
  readonly rights: number;
}

function rulesOf(rights: number): Rule[] {
  // Those that only folders can be given.
  const onFiles = rights & ~(READ_DIR | 0x1ff0 | 0x2000);
  return [
    { path: '/', rights: EXECUTE | READ_FILE | READ_DIR },
    ...['/tmp', '/dev/shm'].map((path) => ({ path, rights })),
    ...['null', 'zero', 'full', 'random', 'urandom', 'tty'].map((name) => ({
      path: `/dev/${name}`,
      rights: onFiles & ~EXECUTE,
    })),
  ];
}

/** Numbers of system calls. */
const OPEN = 2;
const CLOSE = 3;
const EXECVE = 59;
const PRCTL = 157;
const EXIT_GROUP = 231;
const CREATE_RULESET = 444;
const ADD_RULE = 445;
const RESTRICT_SELF = 446;

const PR_SET_NO_NEW_PRIVS = 38;
/** O_PATH and O_CLOEXEC. */
const OPEN_FLAGS = 0x28_0000;
const PATH_BENEATH = 1;

const BASE = 0x40_0000;
const HEADERS_BYTES = 64 + 56;
const RULE_BYTES = 16;
const ATTRIBUTES_BYTES = 24;

/** Registers that arguments go in, as `mov` numbers them; the result comes in the first. */
const REGISTERS = {
  number: [0xb8],
  first: [0xbf],
  second: [0xbe],
  third: [0xba],
  fourth: [0x41, 0xba],
} as const;

class Program {
  readonly #bytes: number[] = [];
  /** Where a distance to the failing end has to be put in. */
  readonly #jumps: number[] = [];

  add(...bytes: number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  set(register: keyof typeof REGISTERS, value: number): this {
    return this.add(...REGISTERS[register], ...word(value));
  }

  call(number: number): this {
    return this.set('number', number).add(0x0f, 0x05);
  }

  /** To the failing end, when the last call failed. */
  orFail(): this {
    this.add(0x85, 0xc0, 0x0f, 0x88, 0, 0, 0, 0);
    this.#jumps.push(this.#bytes.length);
    return this;
  }

  /** Leaves these instructions out when the last call failed. */
  ifOk(body: Program): this {
    return this.add(0x85, 0xc0, 0x0f, 0x88, ...word(body.#bytes.length)).append(body);
  }

  append(other: Program): this {
    this.#jumps.push(...other.#jumps.map((at) => at + this.#bytes.length));
    return this.add(...other.#bytes);
  }

  finish(): Buffer {
    const bytes = Buffer.from(this.#bytes);
    const failing = new Program().set('first', NOT_RESTRICTED).call(EXIT_GROUP);
    for (const at of this.#jumps) bytes.writeInt32LE(bytes.length - at, at - 4);
    return Buffer.concat([bytes, Buffer.from(failing.#bytes)]);
  }
}

const word = (value: number): number[] => [
  value & 0xff,
  (value >> 8) & 0xff,
  (value >> 16) & 0xff,
  (value >>> 24) & 0xff,
];

/** `attributes` and `data` are addresses: of what the rule set is made from, and of the rules with their paths behind. */
function assemble(
  rules: readonly Rule[],
  version: LandlockVersion,
  attributes: number,
  data: number,
): Buffer {
  const program = new Program()
    .set('first', attributes)
    .set('second', version >= 6 ? ATTRIBUTES_BYTES : 8)
    .set('third', 0)
    .call(CREATE_RULESET)
    .orFail()
    // mov ebx, eax: the rule set, for the calls that follow.
    .add(0x89, 0xc3);
  let paths = data + rules.length * RULE_BYTES;
  for (const [index, { path }] of rules.entries()) {
    const rule = data + index * RULE_BYTES;
    program.set('first', paths).set('second', OPEN_FLAGS).set('third', 0).call(OPEN);
    // What this system does not have needs no rule.
    program.ifOk(
      new Program()
        // mov [rule + 8], eax; later mov edi, ebx.
        .add(0x89, 0x04, 0x25, ...word(rule + 8))
        .add(0x89, 0xdf)
        .set('second', PATH_BENEATH)
        .set('third', rule)
        .set('fourth', 0)
        .call(ADD_RULE)
        .orFail()
        // mov edi, [rule + 8]
        .add(0x8b, 0x3c, 0x25, ...word(rule + 8))
        .call(CLOSE),
    );
    paths += path.length + 1;
  }
  return (
    program
      .set('first', PR_SET_NO_NEW_PRIVS)
      .set('second', 1)
      .set('third', 0)
      .set('fourth', 0)
      // mov r8d, 0
      .add(0x41, 0xb8, 0, 0, 0, 0)
      .call(PRCTL)
      .orFail()
      .add(0x89, 0xdf)
      .set('second', 0)
      .call(RESTRICT_SELF)
      .orFail()
      .add(0x89, 0xdf)
      .call(CLOSE)
      // mov rdi, [rsp + 16]; lea rsi, [rsp + 16]; mov rdx, [rsp]; lea rdx, [rsp + rdx * 8 + 16]: the arguments from the
      // second on, and the environment that follows them.
      .add(0x48, 0x8b, 0x7c, 0x24, 0x10, 0x48, 0x8d, 0x74, 0x24, 0x10)
      .add(0x48, 0x8b, 0x14, 0x24, 0x48, 0x8d, 0x54, 0xd4, 0x10)
      .call(EXECVE)
      .finish()
  );
}

/** The program as a file that Linux runs. */
export function createLandlockLauncher(version: LandlockVersion): Buffer {
  const rights = RIGHTS[version];
  const rules = rulesOf(rights);
  const attributes = Buffer.alloc(ATTRIBUTES_BYTES);
  attributes.writeBigUInt64LE(BigInt(rights), 0);
  attributes.writeBigUInt64LE(BigInt(version >= 6 ? SCOPES : 0), 16);
  const table = Buffer.alloc(rules.length * RULE_BYTES);
  for (const [index, rule] of rules.entries())
    table.writeBigUInt64LE(BigInt(rule.rights & rights), index * RULE_BYTES);
  const paths = Buffer.from(rules.map(({ path }) => `${path}\0`).join(''));
  const at = BASE + HEADERS_BYTES;
  const data = at + ATTRIBUTES_BYTES;
  const entry = data + table.length + paths.length;
  const code = assemble(rules, version, at, data);
  const body = Buffer.concat([attributes, table, paths, code]);
  return Buffer.concat([headers(entry, HEADERS_BYTES + body.length), body]);
}

/**
 * The launcher with all that the kernel of this machine knows; `undefined`: it has no Landlock, or this is another
 * processor. `folder`: of its own; what is written there is run once.
 */
export async function findLandlockLauncher(folder: string): Promise<Buffer | undefined> {
  if (process.arch !== 'x64') return undefined;
  for (const version of LANDLOCK_VERSIONS) {
    const launcher = createLandlockLauncher(version);
    const path = join(folder, `landlock-${version}`);
    await writeFile(path, launcher, { mode: 0o700 });
    const works = await promisify(execFile)(path, ['/bin/sh', '-c', ':'], { env: {} }).then(
      () => true,
      () => false,
    );
    await rm(path);
    if (works) return launcher;
  }
  return undefined;
}

/** The headers of an ELF file with one part, which is loaded as it is. */
function headers(entry: number, size: number): Buffer {
  const bytes = Buffer.alloc(HEADERS_BYTES);
  // 64 bits, little endian, version 1; an executable for x64.
  bytes.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  bytes.writeUInt16LE(2, 16);
  bytes.writeUInt16LE(62, 18);
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(BigInt(entry), 24);
  // The only program header comes next.
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(64, 52);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(1, 56);
  // To be loaded, readable, writable (for the descriptors of rules) and executable.
  bytes.writeUInt32LE(1, 64);
  bytes.writeUInt32LE(7, 68);
  bytes.writeBigUInt64LE(BigInt(BASE), 80);
  bytes.writeBigUInt64LE(BigInt(BASE), 88);
  bytes.writeBigUInt64LE(BigInt(size), 96);
  bytes.writeBigUInt64LE(BigInt(size), 104);
  bytes.writeBigUInt64LE(0x1000n, 112);
  return bytes;
}
