import { dirname } from 'node:path';
import type { NetworkPolicy } from '../model/network-policy.ts';
import { INNER_UID } from './runtime-root.ts';

/** One mount inside: a file or folder of the host, read-only unless it says otherwise. */
export interface Binding {
  readonly from: string;
  readonly to: string;
  readonly writable?: boolean;
}

export interface Enclosure {
  /** Never, but for a test. */
  readonly sharesNetwork: boolean;
  readonly env: Readonly<Record<string, string>>;
  /** The order matters: nothing is mounted below what an earlier one brought. */
  readonly bindings: readonly Binding[];
  /** Links in the top folder: name and target. */
  readonly links: readonly (readonly [name: string, target: string])[];
  /** Bytes of `/tmp`, and of `/dev/shm`. */
  readonly scratchBytes: number;
}

/** What instances find in their environment unless the spec says otherwise. */
const ENVIRONMENT = { HOME: '/tmp', TMPDIR: '/tmp', PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' };

/**
 * The arguments for bubblewrap. No mount point lies below content that a user controls: a link there could lead the
 * making of the mount point out of the sandbox (CVE-2026-87766).
 */
export function bubblewrapArguments(enclosure: Enclosure): string[] {
  const { sharesNetwork, env, bindings, links, scratchBytes } = enclosure;
  const size = ['--size', String(scratchBytes)];
  return [
    '--unshare-user',
    '--unshare-pid',
    ...(sharesNetwork ? [] : ['--unshare-net']),
    '--unshare-ipc',
    '--unshare-uts',
    '--unshare-cgroup-try',
    ...['--uid', String(INNER_UID), '--gid', String(INNER_UID), '--hostname', 'function'],
    '--die-with-parent',
    '--new-session',
    '--clearenv',
    ...Object.entries({ ...ENVIRONMENT, ...env }).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--proc', '/proc', '--dev', '/dev'],
    // Sized, because a tmpfs may otherwise take half of the memory; and the rest of /dev cannot be written to.
    ...[...size, '--perms', '1777', '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
    ...[...size, '--perms', '1777', '--tmpfs', '/tmp'],
    ...links.flatMap(([name, target]) => ['--symlink', target, `/${name}`]),
    ...bindings.flatMap(({ from, to, writable }) => [writable === true ? '--bind' : '--ro-bind', from, to]),
  ];
}

/** Where an instance finds its way to the network. */
const EGRESS_INSIDE = '/run/lambent/egress';

/** `socket`: where bubblewrap finds it. Each instance sees its own and no other. */
export function egressArguments(socket: string, policy: NetworkPolicy): string[] {
  const asksForLoopback = typeof policy !== 'string' && policy.some((entry) => LOOPBACK_ENTRY.test(entry));
  return [
    ...['--ro-bind', socket, EGRESS_INSIDE, '--setenv', 'LAMBENT_EGRESS', EGRESS_INSIDE],
    ...(asksForLoopback ? ['--setenv', 'LAMBENT_EGRESS_LOOPBACK', '1'] : []),
  ];
}

/** Entries under which `localhost` may mean the machine's own. */
const LOOPBACK_ENTRY = /^(localhost|127\.|::1|\[::1)/;

/** After everything is in its place. */
export const CLOSING_ARGUMENTS = closingArguments('/tmp');

export function closingArguments(cwd: string): string[] {
  return ['--remount-ro', '/', '--chdir', cwd];
}

/** As bubblewrap reads them from a descriptor. */
export function encodeArguments(args: readonly string[]): Uint8Array {
  return Buffer.from(args.map((argument) => `${argument}\0`).join(''));
}

/** Paths without those that lie in another one of them. */
export function withoutNested(paths: readonly string[]): string[] {
  const unique = [...new Set(paths)];
  return unique.filter((path) => !unique.some((other) => other !== path && isInside(path, other)));
}

export function isInside(path: string, folder: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if (at === folder) return true;
    if (at === dirname(at)) return false;
  }
}
