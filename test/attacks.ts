/**
 * What hostile functions and builds try, each with the tests that see it denied. The table in docs/isolation.md is written
 * from here (`npm run docs`); attacks.test.ts holds this list against the tests themselves.
 */

/**
 * What shows that a test would notice a layer that is missing. `plain`: the same test does the same without a sandbox, and it
 * succeeds there. A title in `layers`: that test leaves the layer out. `wide`: the same test gives a wider limit, and it
 * succeeds. None: only the limit itself, or the harm that is not there, can be seen.
 */
export type Control = 'plain' | 'wide' | { readonly layer: string } | undefined;

export interface Attack {
  readonly tries: string;
  readonly denies: string;
  /** Titles of tests, by suite. */
  readonly node?: readonly string[];
  readonly others?: readonly string[];
  readonly builds?: readonly string[];
  readonly control: Control;
  /** Of `others`, where it is not all of them. */
  readonly only?: 'Python';
}

const FILTER = { layer: 'the filter on system calls' } as const;
const GROUPS = { layer: 'the control groups' } as const;
const NETWORK = { layer: 'the network namespace' } as const;
const USER = { layer: 'the user of its own' } as const;

/** Tests of these suites that are no attacks. */
export const OTHER_TESTS: readonly string[] = [
  'is proved, and good enough to be tested',
  'the whole of it is level A, or B where the kernel has no Landlock',
  'runs functions all the same, and lets nobody into its data',
  'works in its folder, keeps its home, and what it made is the platform’s',
];

export const ATTACKS: readonly Attack[] = [
  {
    tries: 'read files of the machine, its users and the platform',
    denies: 'private file system',
    node: ['finds none of the machine'],
    others: ['reads and writes nothing of the machine'],
    control: 'plain',
  },
  {
    tries: 'read the code of other functions',
    denies: 'private file system',
    node: ['finds no code but its own'],
    others: ['finds no code but its own, and cannot change that'],
    control: 'plain',
  },
  {
    tries: 'get out by a link, also by way of `/oldroot`',
    denies: 'private file system; nothing is mounted below what a user controls',
    node: ['gets nowhere by a link in its folder'],
    others: ['finds nothing of others, nor of the instance before it'],
    control: 'plain',
  },
  {
    tries: 'write to its code, its runtime, `/` or `/dev`',
    denies: 'read-only mounts; Landlock',
    node: ['writes nowhere but to /tmp'],
    others: ['finds no code but its own, and cannot change that'],
    control: { layer: 'Landlock' },
  },
  {
    tries: 'find what the tenant before it left',
    denies: 'a fresh `/tmp` for each instance',
    node: ['finds nothing of the instance before it'],
    others: ['finds nothing of others, nor of the instance before it'],
    control: undefined,
  },
  {
    tries: 'see environment, arguments, descriptors and processes of others, and end them',
    denies: 'process namespace, empty environment, closed descriptors',
    node: ['finds no environment, arguments, descriptors or processes of others', 'reaches itself alone'],
    others: [
      'finds nothing of others, nor of the instance before it',
      'becomes nobody else, gets no more than it has, and ends nothing but itself',
    ],
    control: 'plain',
  },
  {
    tries: 'read memory, logs and devices of the machine',
    denies: 'private `/dev` and `/proc`',
    node: ['reads no memory, no log and no device of it'],
    others: ['finds no memory, log or device of the machine, and cannot change its settings'],
    control: 'plain',
  },
  {
    tries: 'change the kernel’s settings, or its own standing in it',
    denies: 'own user, read-only `/proc/sys`',
    node: ['changes no setting of it, nor of its own that would set it free'],
    others: ['finds no memory, log or device of the machine, and cannot change its settings'],
    control: USER,
  },
  {
    tries: 'make a device, give a file to root',
    denies: 'own user, no privileges',
    node: ['makes no device, and gives no file away'],
    others: ['makes no device, gives no file away, and does not go before others'],
    control: 'plain',
  },
  {
    tries: 'become root, by a call or by a program that takes its owner’s rights',
    denies: 'own user, no new privileges',
    node: ['cannot become root', 'gains nothing by a program that takes its owner’s rights'],
    others: ['becomes nobody else, gets no more than it has, and ends nothing but itself'],
    control: USER,
  },
  {
    tries: 'raise its limits or its priority',
    denies: 'no privileges',
    node: ['cannot raise its limits or its standing'],
    others: [
      'becomes nobody else, gets no more than it has, and ends nothing but itself',
      'makes no device, gives no file away, and does not go before others',
    ],
    control: undefined,
  },
  {
    tries:
      '`ptrace`, mounts, namespaces, keys, `bpf`, `perf`, `io_uring`, `userfaultfd`, modules, clock; raw, packet, vsock, crypto and other exotic sockets; `TIOCSTI`, with high bits too',
    denies: 'filter on system calls',
    node: ['cannot …', 'cannot use anything that the filter names, or that is newer than the filter'],
    others: ['is refused all that no function needs of the kernel', 'is refused system calls'],
    control: FILTER,
  },
  {
    tries: 'calls of 32 bits and x32',
    denies: 'filter on system calls',
    node: ['cannot use another instruction set’s calls'],
    others: ['is ended by a call of another instruction set'],
    control: FILTER,
  },
  {
    tries: 'connect to the platform, the machine, private networks, metadata, in every notation',
    denies: 'network namespace; the proxy looks at addresses after resolving',
    node: ['does not reach the machine, the platform, private networks or metadata'],
    others: ['connects to what is granted, and to nothing else'],
    control: 'plain',
  },
  {
    tries: 'get there by a redirect',
    denies: 'the proxy',
    node: ['does not get there by a redirect'],
    others: ['gets no address by a redirect that it may not connect to'],
    control: 'plain',
  },
  {
    tries: 'hide a second request or `CONNECT` in the first',
    denies: 'the proxy',
    node: ['does not get there by a second request in the first'],
    control: undefined,
  },
  {
    tries: 'carry data out in names or datagrams',
    denies: 'network namespace; names off a list are not resolved',
    node: ['carries nothing out by asking for names, or by datagrams'],
    others: ['reaches no process and no socket outside'],
    control: 'plain',
  },
  {
    tries: 'take all connections',
    denies: 'a share of connections',
    node: ['keeps nobody else from connecting by connections that never end'],
    control: undefined,
  },
  {
    tries: 'reach sockets without a file',
    denies: 'network namespace; Landlock',
    node: ['does not reach sockets without a file'],
    others: ['reaches no process and no socket outside'],
    control: 'plain',
  },
  {
    tries: 'connect beside what is granted',
    denies: 'the proxy',
    node: ['reaches what is granted, and nothing beside it'],
    others: ['connects to what is granted, and to nothing else'],
    control: NETWORK,
  },
  {
    tries: 'fork bomb, thread bomb',
    denies: 'control group',
    node: ['of processes', 'of threads'],
    others: ['ends when it starts too many processes or threads'],
    control: GROUPS,
  },
  {
    tries: 'take all memory: heap, buffers, `/tmp`, `/dev/shm`, memfd, names of files',
    denies: 'control group',
    node: [
      ...[
        'of its heap',
        'of memory outside of it',
        'of /tmp',
        'of shared memory',
        'of memory behind descriptors',
      ],
      'of names of files',
    ],
    others: ['ends when it takes too much memory'],
    control: GROUPS,
  },
  {
    tries: 'open files without end',
    denies: 'rlimit',
    node: ['of descriptors'],
    others: ['runs out of descriptors by itself'],
    control: undefined,
  },
  {
    tries: 'have the platform hold open files, by passing them over the channel',
    denies: 'the platform takes none',
    others: ['cannot make the platform hold open files for it'],
    only: 'Python',
    control: undefined,
  },
  {
    tries: 'flood its output, answer without end',
    denies: 'limits of the platform',
    node: ['of its output', 'of its response'],
    others: ['floods its output for nothing: it is cut, and counted', 'answers no more than it may'],
    control: undefined,
  },
  {
    tries: 'break the protocol of its channel: answers to others’ calls, frames that are none',
    denies: 'frames are checked, the instance ends',
    node: ['breaks the protocol for itself alone'],
    others: ['breaks the protocol for itself alone'],
    control: undefined,
  },
  {
    tries: 'take the processor, also after it has replied',
    denies: 'shares of the processor, time limit',
    node: [
      'of the processor: neighbours answer meanwhile',
      'keeps nobody else from answering, and is ended by the time limit of its next call',
    ],
    others: [
      'keeps nobody else from answering, and is ended by the time limit of its next call',
      'keeps nobody else from answering when it has answered and spins',
    ],
    control: undefined,
  },
  {
    tries: 'leave an image of its memory by a crash',
    denies: 'rlimit',
    node: ['leaves no image of its memory'],
    others: ['leaves no image of its memory'],
    control: undefined,
  },
  {
    tries: 'stay: SIGTERM ignored, `setsid`, double fork',
    denies: 'process namespace',
    node: ['goes, with what it hid from its instance'],
    others: ['takes with it what it hid, when it ends'],
    control: undefined,
  },
  {
    tries: 'a build that reads the data folder, other apps’ homes, files of people',
    denies: 'private file system',
    builds: ['does not see the data folder, other apps’ homes or files of others'],
    control: 'plain',
  },
  {
    tries: 'a build that writes elsewhere',
    denies: 'read-only mounts, own user',
    builds: ['cannot write but to its own, nor as root'],
    control: 'plain',
  },
  {
    tries: 'a build that connects to the platform’s port or to metadata',
    denies: 'network namespace; the proxy',
    builds: ['does not reach the platform’s own port, nor metadata, nor what it names otherwise'],
    control: 'plain',
  },
  {
    tries: 'a build that fills the disk',
    denies: 'rlimit for one file; watched for all',
    builds: ['cannot fill the disk, with one file or with many'],
    control: 'wide',
  },
  {
    tries: 'a build that takes all memory, or forks without end',
    denies: 'control group',
    builds: ['cannot take all memory', 'cannot start processes without end'],
    control: 'wide',
  },
  {
    tries: 'a build that leaves a daemon',
    denies: 'process namespace',
    builds: ['leaves no process behind, when it ends or when its time is over'],
    control: 'plain',
  },
  {
    tries: 'a build that looks for secrets in the environment',
    denies: 'empty environment',
    builds: ['gets nothing of the platform’s environment'],
    control: undefined,
  },
  {
    tries: 'a build that leaves links to files of others, or programs with its owner’s rights',
    denies: 'links out are refused, owners changed',
    builds: [
      'cannot have the platform fetch by a link what it may not read itself',
      'cannot leave a program that runs with the rights of its owner',
    ],
    control: undefined,
  },
];
