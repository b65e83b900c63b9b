/**
 * The filter on system calls, as the program for the kernel's classic BPF machine that `seccomp(2)` takes. It holds
 * by itself: whatever else fails, what it refuses is refused, also to native code.
 *
 * It allows what it does not name, because runtimes and packages use hundreds of calls; what it names is listed in
 * system-calls.ts. Calls of another ABI end the process: their numbers mean other things.
 */
import { EXAMINED, NEWEST_CALL, REFUSED } from './system-calls.ts';

export type Architecture = 'x64' | 'arm64';

/** `struct seccomp_data`: number, architecture, instruction pointer, six arguments of 64 bits. */
const AT_NUMBER = 0;
const AT_ARCHITECTURE = 4;
/**
 * The lower half of an argument. The arguments looked at here are `int`, `unsigned int`, or flags below 2^32: the kernel
 * ignores the upper half, so the filter must too. One that compared all 64 bits could be evaded by setting upper ones
 * (CVE-2019-10063).
 */
const atArgument = (index: number): number => 16 + index * 8;

const AUDIT_ARCH: Readonly<Record<Architecture, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };
/** Numbers from here on are those of x32, an ABI of x64 with the same architecture value. */
const X32_BIT = 0x4000_0000;

const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const JUMP_ANY_BIT = 0x45;
const AND = 0x54;
const RETURN = 0x06;

const ALLOW = 0x7fff_0000;
const KILL_PROCESS = 0x8000_0000;
const refuse = (errno: number): number => 0x0005_0000 | errno;
const EPERM = 1;
const EACCES = 13;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** CLONE_NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET and NEWNS. */
const CLONE_NAMESPACES = 0x7e02_0000;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const SOCKET_TYPE_MASK = 0xf;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
/** What a family makes of a stream or of datagrams by itself, which for IP is TCP and UDP. */
const PROTOCOL_DEFAULT = 0;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** Puts characters into the terminal's input, for whoever reads it next. */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

const load = (at: number): Instruction => [LOAD, 0, 0, at];
const finish = (action: number): Instruction => [RETURN, 0, 0, action];
/** Ends with `action` when the loaded value is `value`. */
const when = (value: number, action: number): Instruction[] => [[JUMP_EQUAL, 0, 1, value], finish(action)];
const whenGreater = (value: number, action: number): Instruction[] => [
  [JUMP_GREATER, 0, 1, value],
  finish(action),
];

/** Runs `body`, which must end in every case, when the loaded value is `value`. */
const only = (value: number, body: readonly Instruction[]): Instruction[] => [
  [JUMP_EQUAL, 0, body.length, value],
  ...body,
];

function examineClone(): Instruction[] {
  return [load(atArgument(0)), [JUMP_ANY_BIT, 0, 1, CLONE_NAMESPACES], finish(refuse(EPERM)), finish(ALLOW)];
}

/**
 * Unix sockets; TCP and UDP, which lead nowhere but to the own loopback; the list of interfaces. Other protocols come
 * as streams and datagrams of IP too (SCTP, L2TP, SMC), and the kernel would load the module of whatever is asked for.
 */
function examineSocket(): Instruction[] {
  const plain = [
    load(atArgument(1)),
    [AND, 0, 0, SOCKET_TYPE_MASK] as const,
    [JUMP_EQUAL, 2, 0, SOCK_STREAM] as const,
    [JUMP_EQUAL, 1, 0, SOCK_DGRAM] as const,
    finish(refuse(EACCES)),
    load(atArgument(2)),
    ...when(PROTOCOL_DEFAULT, ALLOW),
    ...when(IPPROTO_TCP, ALLOW),
    ...when(IPPROTO_UDP, ALLOW),
    finish(refuse(EACCES)),
  ];
  const routeOnly = [load(atArgument(2)), ...when(NETLINK_ROUTE, ALLOW), finish(refuse(EACCES))];
  return [
    load(atArgument(0)),
    ...when(AF_UNIX, ALLOW),
    ...only(AF_INET, plain),
    ...only(AF_INET6, plain),
    ...only(AF_NETLINK, routeOnly),
    finish(refuse(EAFNOSUPPORT)),
  ];
}

/** Two ends of one connection are made like sockets, family by family: what `socket` refuses must not come this way. */
function examineSocketPair(): Instruction[] {
  return [load(atArgument(0)), ...when(AF_UNIX, ALLOW), finish(refuse(EAFNOSUPPORT))];
}

function examineIoctl(): Instruction[] {
  return [
    load(atArgument(1)),
    ...when(TIOCSTI, refuse(EPERM)),
    ...when(TIOCLINUX, refuse(EPERM)),
    finish(ALLOW),
  ];
}

function instructions(architecture: Architecture): Instruction[] {
  const column = architecture === 'x64' ? 0 : 1;
  const refused = Object.values(REFUSED)
    .map((numbers) => numbers[column])
    .filter((number): number is number => number !== undefined);
  return [
    load(AT_ARCHITECTURE),
    [JUMP_EQUAL, 1, 0, AUDIT_ARCH[architecture]],
    finish(KILL_PROCESS),
    load(AT_NUMBER),
    ...(architecture === 'x64' ? whenGreater(X32_BIT - 1, KILL_PROCESS) : []),
    // C libraries fall back to `clone`, whose flags can be looked at; those of clone3 are behind a pointer.
    ...when(EXAMINED.clone3[column], refuse(ENOSYS)),
    ...whenGreater(NEWEST_CALL, refuse(ENOSYS)),
    ...refused.flatMap((number) => when(number, refuse(EPERM))),
    ...only(EXAMINED.clone[column], examineClone()),
    ...only(EXAMINED.socket[column], examineSocket()),
    ...only(EXAMINED.socketpair[column], examineSocketPair()),
    ...only(EXAMINED.ioctl[column], examineIoctl()),
    finish(ALLOW),
  ];
}

/** The filter as bytes: one `struct sock_filter` (u16 code, u8 jump if true, u8 jump if false, u32 value) after another. */
export function createSeccompFilter(architecture: Architecture): Uint8Array {
  const program = instructions(architecture);
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, ifTrue, ifFalse, value]] of program.entries()) {
    const at = index * 8;
    bytes.writeUInt16LE(code, at);
    bytes[at + 2] = ifTrue;
    bytes[at + 3] = ifFalse;
    bytes.writeUInt32LE(value, at + 4);
  }
  return bytes;
}
