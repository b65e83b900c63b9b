import { nearestOf } from '../../base/nearest.ts';
import { createApiClient, segment } from '../api-client.ts';
import type { AccessKeyView } from '../api-views.ts';
import { quoted, usage } from '../arguments.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { listAll } from '../list-all.ts';
import { createStyle, formatTime, printJson, renderTable } from '../output.ts';
import type { Terminal } from '../terminal.ts';

const ACTS = ['list', 'create', 'revoke'] as const;

export const keysCommand: Command = {
  name: 'keys',
  summary: "List, create and revoke access keys for AWS' clients",
  positionals: [
    { name: 'list|create|revoke', required: false },
    { name: 'name', required: false },
  ],
  options: { ...SERVER_OPTIONS, ...JSON_OPTION },
  details: `AWS' SDKs and CLI sign their requests with an access key; \`lambent start\` checks the signature. The secret is
shown once, when the key is created. \`lambent dev\` takes any key from the same machine.`,
  examples: [
    ['lambent keys', 'all keys, without their secrets'],
    ['lambent keys create ci', 'as lines to be run by a shell'],
    ['lambent keys revoke ci', 'it stops working at once'],
  ],
  run: keys,
};

async function keys(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const [act = 'list', name] = args.positionals;
  const client = createApiClient(args, terminal);
  const json = args.flag('json');
  if (act === 'list') {
    const items = await listAll<AccessKeyView>(client, '/keys');
    if (json) printJson(terminal.out, { items });
    else {
      const rows = items.map((item) => [item.name, item.accessKeyId, formatTime(item.createdMs)]);
      const style = createStyle(terminal.out, terminal.env);
      const columns = [{ title: 'NAME' }, { title: 'ACCESS KEY ID' }, { title: 'CREATED' }];
      terminal.out.write(renderTable(columns, rows, style));
    }
    return EXIT.ok;
  }
  if (act !== 'create' && act !== 'revoke') {
    const meant = nearestOf(act, ACTS);
    const suggestion = meant === undefined ? '' : ` Did you mean ${meant}?`;
    throw usage(`\`lambent keys\` cannot ${quoted(act)}`, `It can ${ACTS.join(', ')}.${suggestion}`);
  }
  if (name === undefined)
    throw usage(`\`lambent keys ${act}\` needs a name`, `As in \`lambent keys ${act} ci\`.`);
  if (act === 'create') {
    const made = await client.send<{ accessKeyId: string; secretAccessKey: string }>({
      method: 'POST',
      path: '/keys',
      json: { name },
    });
    if (json) printJson(terminal.out, made);
    else {
      terminal.err.write(`The access key ${quoted(name)}, its secret shown only this once:\n`);
      terminal.out.write(
        `export AWS_ACCESS_KEY_ID=${made.accessKeyId}\nexport AWS_SECRET_ACCESS_KEY=${made.secretAccessKey}\n`,
      );
    }
    return EXIT.ok;
  }
  await client.send({ method: 'DELETE', path: `/keys/${segment(name)}` });
  if (json) printJson(terminal.out, { revoked: name });
  else terminal.out.write(`The access key ${quoted(name)} no longer works.\n`);
  return EXIT.ok;
}
