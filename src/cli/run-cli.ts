import { nearestOf } from '../base/nearest.ts';
import { PLATFORM_VERSION } from '../server/platform-version.ts';
import { parseArguments, quoted, usage } from './arguments.ts';
import type { Command } from './command.ts';
import { connectionsCommand } from './commands/connections.ts';
import { costCommand } from './commands/cost.ts';
import { deadLettersCommand } from './commands/dead-letters.ts';
import { deployCommand } from './commands/deploy.ts';
import { deploymentsCommand } from './commands/deployments.ts';
import { devCommand } from './commands/dev.ts';
import { doctorCommand } from './commands/doctor.ts';
import { emitCommand } from './commands/emit.ts';
import { eventsCommand } from './commands/events.ts';
import { initCommand } from './commands/init.ts';
import { invokeCommand } from './commands/invoke.ts';
import { keysCommand } from './commands/keys.ts';
import { logsCommand } from './commands/logs.ts';
import { lsCommand } from './commands/ls.ts';
import { replayCommand } from './commands/replay.ts';
import { rmCommand } from './commands/rm.ts';
import { rollbackCommand } from './commands/rollback.ts';
import { runCommand } from './commands/run.ts';
import { runsCommand } from './commands/runs.ts';
import { secretsCommand } from './commands/secrets.ts';
import { startCommand } from './commands/start.ts';
import { tokensCommand } from './commands/tokens.ts';
import { trafficCommand } from './commands/traffic.ts';
import { triggersCommand } from './commands/triggers.ts';
import { typesCommand } from './commands/write-types.ts';
import { EXIT, type ExitCode, exitCodeOf } from './exit-code.ts';
import { commandHelp, overview } from './help.ts';
import { createStyle, printJson } from './output.ts';
import { printError, recordOf } from './print-error.ts';
import type { Terminal } from './terminal.ts';

/** Every command, in the order of `lambent --help`. */
export const COMMANDS: readonly Command[] = [
  initCommand,
  devCommand,
  startCommand,
  deployCommand,
  rollbackCommand,
  deploymentsCommand,
  trafficCommand,
  lsCommand,
  invokeCommand,
  runCommand,
  runsCommand,
  logsCommand,
  emitCommand,
  eventsCommand,
  triggersCommand,
  deadLettersCommand,
  replayCommand,
  costCommand,
  typesCommand,
  doctorCommand,
  tokensCommand,
  keysCommand,
  secretsCommand,
  connectionsCommand,
  rmCommand,
];

/** Runs one command line (without the program's name). Never rejects: what goes wrong is printed. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  try {
    return await dispatch(args, terminal);
  } catch (thrown) {
    printError(terminal, thrown);
    // A script that asked for JSON gets the error on stdout in the same way.
    if (args.includes('--json')) printJson(terminal.out, { error: recordOf(thrown) });
    return exitCodeOf(recordOf(thrown).code);
  }
}

async function dispatch(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const [first, ...rest] = args;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    const name = first === 'help' ? rest.find((word) => !word.startsWith('-')) : undefined;
    return help(name, terminal);
  }
  if (first === '--version' || first === '-v') {
    terminal.out.write(`lambent ${PLATFORM_VERSION} (Node.js ${process.versions.node})\n`);
    return EXIT.ok;
  }
  const command = findCommand(first);
  if (asksForHelp(rest)) return help(command.name, terminal);
  return await command.run(parseArguments(command, rest), terminal);
}

function help(name: string | undefined, terminal: Terminal): ExitCode {
  const style = createStyle(terminal.out, terminal.env);
  terminal.out.write(name === undefined ? overview(COMMANDS, style) : commandHelp(findCommand(name), style));
  return EXIT.ok;
}

/** `--help` anywhere before `--`. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? args.length : end).some((word) => word === '--help' || word === '-h');
}

function findCommand(name: string): Command {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  if (name.startsWith('-')) {
    throw usage(`${name} comes before a command`, 'Write the command first, as in `lambent ls --json`.');
  }
  const meant = nearestOf(
    name,
    COMMANDS.map((candidate) => candidate.name),
  );
  const suggestion = meant === undefined ? '' : `Did you mean \`lambent ${meant}\`? `;
  throw usage(`There is no command ${quoted(name)}`, `${suggestion}\`lambent --help\` lists all commands.`);
}
