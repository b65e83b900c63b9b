import { nearestOf } from '../../base/nearest.ts';
import { createApiClient, segment } from '../api-client.ts';
import type { TokenView } from '../api-views.ts';
import { quoted, usage } from '../arguments.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { listAll } from '../list-all.ts';
import { createStyle, formatTime, printJson, renderTable } from '../output.ts';
import type { Terminal } from '../terminal.ts';

const ACTS = ['list', 'create', 'revoke'] as const;

export const tokensCommand: Command = {
  name: 'tokens',
  summary: 'List, create and revoke tokens of the control API',
  positionals: [
    { name: 'list|create|revoke', required: false },
    { name: 'name', required: false },
  ],
  options: { ...SERVER_OPTIONS, ...JSON_OPTION },
  details: `A token is shown once, when it is created: the server keeps only its SHA-256.
Give each person and each machine its own, so that one can be revoked.`,
  examples: [
    ['lambent tokens', 'the names of all tokens'],
    ['lambent tokens create ci', 'a token for the build server'],
    ['lambent tokens revoke ci', 'it stops working at once'],
  ],
  run: tokens,
};

async function tokens(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const [act = 'list', name] = args.positionals;
  const client = createApiClient(args, terminal);
  const json = args.flag('json');
  if (act === 'list') {
    const items = await listAll<TokenView>(client, '/tokens');
    if (json) printJson(terminal.out, { items });
    else {
      const rows = items.map((item) => [item.name, formatTime(item.createdMs)]);
      const style = createStyle(terminal.out, terminal.env);
      terminal.out.write(renderTable([{ title: 'NAME' }, { title: 'CREATED' }], rows, style));
    }
    return EXIT.ok;
  }
  if (act !== 'create' && act !== 'revoke') {
    const meant = nearestOf(act, ACTS);
    const suggestion = meant === undefined ? '' : ` Did you mean ${meant}?`;
    throw usage(`\`lambent tokens\` cannot ${quoted(act)}`, `It can ${ACTS.join(', ')}.${suggestion}`);
  }
  if (name === undefined)
    throw usage(`\`lambent tokens ${act}\` needs a name`, `As in \`lambent tokens ${act} ci\`.`);
  if (act === 'create') {
    const created = await client.send<{ name: string; token: string }>({
      method: 'POST',
      path: '/tokens',
      json: { name },
    });
    if (json) printJson(terminal.out, created);
    else {
      terminal.err.write(`The token ${quoted(name)}, shown only this once:\n`);
      terminal.out.write(`${created.token}\n`);
    }
    return EXIT.ok;
  }
  await client.send({ method: 'DELETE', path: `/tokens/${segment(name)}` });
  if (json) printJson(terminal.out, { revoked: name });
  else terminal.out.write(`The token ${quoted(name)} no longer works.\n`);
  return EXIT.ok;
}
