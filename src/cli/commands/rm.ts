import { createInterface } from 'node:readline/promises';
import { createApiClient, segment } from '../api-client.ts';
import { usage } from '../arguments.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { chooseApp } from '../name-choice.ts';
import { counted, printJson } from '../output.ts';
import type { Terminal } from '../terminal.ts';

export const rmCommand: Command = {
  name: 'rm',
  summary: 'Delete an app with all its deployments',
  positionals: [{ name: 'APP', required: true }],
  options: {
    yes: { kind: 'flag', short: 'y', text: 'do not ask' },
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
  },
  details: 'There is no way back. The history of its invocations and its logs stay until they age out.',
  examples: [
    ['lambent rm shop', 'asks before it deletes'],
    ['lambent rm shop --yes', 'for a script'],
  ],
  run: remove,
};

async function remove(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const client = createApiClient(args, terminal);
  const app = await chooseApp(client, args.positionals[0]);
  const what = `${app.app} with its ${counted(app.functions, 'function')} and all its deployments`;
  if (!args.flag('yes') && !(await confirm(terminal, `Delete ${what} at ${client.address}?`))) {
    terminal.err.write('Nothing was deleted.\n');
    return EXIT.failed;
  }
  await client.send({ method: 'DELETE', path: `/apps/${segment(app.app)}` });
  if (args.flag('json')) printJson(terminal.out, { deleted: app.app });
  else terminal.out.write(`Deleted ${what}.\n`);
  return EXIT.ok;
}

async function confirm(terminal: Terminal, question: string): Promise<boolean> {
  if (!terminal.stdinIsTerminal || !terminal.err.isTerminal) {
    throw usage('`lambent rm` asks before it deletes, and there is nobody to ask', 'Add --yes.');
  }
  terminal.err.write(`${question} [y/N] `);
  const lines = createInterface({ input: terminal.stdin() as NodeJS.ReadableStream });
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim());
    return false;
  } finally {
    lines.close();
  }
}
