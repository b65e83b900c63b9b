import { nearestOf } from '../../base/nearest.ts';
import { createApiClient, segment } from '../api-client.ts';
import type { SecretView } from '../api-views.ts';
import { quoted, usage } from '../arguments.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { listAll } from '../list-all.ts';
import { createStyle, formatTime, printJson, renderTable } from '../output.ts';
import type { Terminal } from '../terminal.ts';

const ACTS = ['list', 'set', 'rm'] as const;
/** More than any secret may have: the server says what is wrong with it. */
const INPUT_BYTES_MAX = 256 * 1024;

export const secretsCommand: Command = {
  name: 'secrets',
  summary: 'Set, list and remove values that functions get and nobody else sees',
  positionals: [
    { name: 'list|set|rm', required: false },
    { name: 'app', required: false },
    { name: 'NAME', required: false },
  ],
  options: {
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
    env: { kind: 'text', value: 'VARIABLE', text: 'take the value from this variable of the environment' },
  },
  details: `A function gets the secrets that its manifest names (\`secrets: [NAME]\`) as environment variables.
\`set\` reads the value from standard input, so that it is in no list of processes and no history of a shell. A new
value reaches functions at once: they get new instances, without a deploy.`,
  examples: [
    ['lambent secrets set shop DATABASE_URL < url.txt', 'one line end at its end does not count'],
    ['lambent secrets set shop API_KEY --env SHOP_API_KEY', 'from a variable of your own environment'],
    ['lambent secrets list', 'names and times; no command shows a value'],
    ['lambent secrets rm shop API_KEY', 'functions that name it cannot start any more'],
  ],
  run: secrets,
};

async function secrets(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const [act = 'list', app, name] = args.positionals;
  if (act === 'list') return list(args, terminal, app);
  if (act !== 'set' && act !== 'rm') {
    const meant = nearestOf(act, ACTS);
    const suggestion = meant === undefined ? '' : ` Did you mean ${meant}?`;
    throw usage(`\`lambent secrets\` cannot ${quoted(act)}`, `It can ${ACTS.join(', ')}.${suggestion}`);
  }
  if (app === undefined || name === undefined)
    throw usage(
      `\`lambent secrets ${act}\` needs an app and a name`,
      `As in \`lambent secrets ${act} shop API_KEY\`.`,
    );
  const client = createApiClient(args, terminal);
  const path = `/apps/${segment(app)}/secrets/${segment(name)}`;
  if (act === 'set') {
    const value = await readValue(args, terminal);
    const answer = await client.send({ method: 'PUT', path, json: { value } });
    if (args.flag('json')) printJson(terminal.out, answer);
    else terminal.out.write(`${app} has the secret ${name}.\n`);
  } else {
    const answer = await client.send({ method: 'DELETE', path });
    if (args.flag('json')) printJson(terminal.out, answer);
    else terminal.out.write(`${app} no longer has the secret ${name}.\n`);
  }
  return EXIT.ok;
}

async function list(args: Arguments, terminal: Terminal, app: string | undefined): Promise<ExitCode> {
  const all = await listAll<SecretView>(createApiClient(args, terminal), '/secrets');
  const items = all.filter((item) => app === undefined || item.app === app);
  if (args.flag('json')) printJson(terminal.out, { items });
  else {
    const rows = items.map((item) => [item.app, item.name, formatTime(item.updatedMs)]);
    const style = createStyle(terminal.out, terminal.env);
    terminal.out.write(renderTable([{ title: 'APP' }, { title: 'NAME' }, { title: 'SET' }], rows, style));
  }
  return EXIT.ok;
}

async function readValue(args: Arguments, terminal: Terminal): Promise<string> {
  const variable = args.text('env');
  if (variable !== undefined) {
    const value = terminal.env[variable];
    if (value === undefined)
      throw usage(`there is no variable ${quoted(variable)} in the environment`, 'Set it first.');
    return value;
  }
  if (terminal.stdinIsTerminal)
    terminal.err.write(
      'The value, then Enter and Ctrl-D (it shows as you type; `< file` or --env keep it hidden):\n',
    );
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of terminal.stdin()) {
    bytes += chunk.length;
    if (bytes > INPUT_BYTES_MAX) throw usage('the value is too long', 'A secret has at most 32 KiB.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}
