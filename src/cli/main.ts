/**
 * The command line. One file a command in commands/; run-cli.ts finds it, arguments.ts reads what follows,
 * and everything a command touches of the outside comes to it as a `Terminal`. Commands that act on a running
 * platform know only its control API (api-client.ts), wherever it runs; `dev` and `start` run one themselves.
 *
 * What it promises: results go to stdout and everything else to stderr; `--json` wherever data is printed;
 * exit codes that mean something (exit-code.ts); each error says what happened, where, and what to do next.
 * It keeps nothing of its own on disk, and asks questions only of a person at a terminal.
 *
 * This file is the program: it connects the real process to all that. `bin/lambent.js` starts it.
 */
import { homedir } from 'node:os';
import { MessageChannel } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import { createInterrupts, type Interrupts } from './interrupts.ts';
import { runCli } from './run-cli.ts';
import type { Terminal, TextSink } from './terminal.ts';

/** What shells report for a program that a Ctrl-C ended. */
const EXIT_INTERRUPTED = 130;
/** After the command is done, this long for what still holds the process (idle connections). */
const LINGER_MS = 1_000;

function sinkOf(stream: NodeJS.WriteStream): TextSink {
  // The reader may go away first, as in `lambent logs | head`.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  return {
    write: (text) => {
      stream.write(text);
    },
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns || 80;
    },
  };
}

function createProcessTerminal(): Terminal {
  let interrupts: Interrupts | undefined;
  return {
    out: sinkOf(process.stdout),
    err: sinkOf(process.stderr),
    env: process.env,
    cwd: process.cwd(),
    home: homedir(),
    clock: systemClock,
    stdinIsTerminal: process.stdin.isTTY === true,
    stdin: () => process.stdin,
    catchInterrupts() {
      if (interrupts === undefined) {
        const created = createInterrupts(systemClock, () => process.exit(EXIT_INTERRUPTED));
        for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
          process.on(name, () => created.receive(name));
        interrupts = created;
      }
      return interrupts.signal;
    },
  };
}

// bin/lambent.js waits for this process at the other end of the channel. When it dies, this one ends too.
if (process.channel !== undefined && process.channel !== null) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}

// The clock's timers do not keep a process alive; an open port does, so that a command can wait for one.
const { port1, port2 } = new MessageChannel();
port1.on('message', () => {});
process.exitCode = await runCli(process.argv.slice(2), createProcessTerminal());
port1.close();
port2.close();
systemClock.after(LINGER_MS, () => process.exit());
