import { relative, resolve } from 'node:path';
import { LambentError } from '../../base/errors.ts';
import { type ApiClient, createApiClient, ServerError, serverError } from '../api-client.ts';
import type { DeployPlan } from '../../ports/deployer.ts';
import type { AppView, DeployEvent, DeployedView, Items } from '../api-views.ts';
import { checkFolder } from '../app-folder.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { counted, createStyle, formatDuration, printJson, type Style, visible } from '../output.ts';
import { type Progress, withProgress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';
import { readLines } from '../text-lines.ts';

export const deployCommand: Command = {
  name: 'deploy',
  summary: 'Send an app to a running server and make it live',
  positionals: [{ name: 'folder', required: false }],
  options: {
    weight: {
      kind: 'text',
      value: 'N',
      text: 'give it N percent of the traffic (100; 0: only its preview host)',
    },
    plan: { kind: 'flag', text: 'say what its triggers would make and drop in databases, and do nothing' },
    note: { kind: 'text', value: 'TEXT', text: 'a note for the list of deployments, such as a commit' },
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
  },
  details: `Packs the folder (else the present one) without node_modules and what .lambentignore names, builds it on the
server, and switches to it at once when everything worked. When anything fails, what is live stays live.`,
  examples: [
    ['lambent deploy', 'the present folder to http://localhost:5262'],
    ['lambent deploy --plan', 'what it would make in databases'],
    ['lambent deploy shop --to https://box.example:5262 --token "$TOKEN"', 'to another server'],
    [
      'lambent deploy --weight 10 --note "$(git rev-parse --short HEAD)"',
      'try it with a tenth of the requests',
    ],
  ],
  run: deploy,
};

async function deploy(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const folder = resolve(terminal.cwd, args.positionals[0] ?? '.');
  const weight = args.wholeNumber('weight', 0, 100) ?? 100;
  const client = createApiClient(args, terminal);
  await checkFolder(folder);
  // A wrong token or address is told before anything is packed and sent.
  await client.send<Items<AppView>>({ method: 'GET', path: '/apps' });
  if (args.flag('plan')) return plan(client, { folder, weight }, args, terminal);
  const request = { folder, weight, note: args.text('note') ?? '' };
  const shown = relative(terminal.cwd, folder) || 'this folder';
  const result = await withProgress(terminal, `Deploying ${shown}`, (progress) =>
    upload(client, request, progress, createStyle(terminal.err, terminal.env)),
  );
  if (args.flag('json')) {
    printJson(terminal.out, result);
    return EXIT.ok;
  }
  terminal.out.write(describe(result, client.address, createStyle(terminal.out, terminal.env)));
  return EXIT.ok;
}

/** Before anything is done: what would be made and dropped outside of the platform. */
async function plan(
  client: ApiClient,
  { folder, weight }: Pick<Upload, 'folder' | 'weight'>,
  args: Arguments,
  terminal: Terminal,
): Promise<ExitCode> {
  const { packApp } = await import('../../functions/pack.ts');
  const found = await client.send<DeployPlan>({
    ...{ method: 'POST', path: '/deployments/plan', query: { weight }, patient: true },
    headers: { 'content-type': 'application/gzip' },
    body: packApp(folder),
  });
  if (args.flag('json')) printJson(terminal.out, found);
  else terminal.out.write(planText(found, createStyle(terminal.out, terminal.env)));
  return EXIT.ok;
}

function planText({ app, functions, changes }: DeployPlan, style: Style): string {
  const size = counted(functions, 'function');
  if (changes.length === 0)
    return `${style.bold(app)} has ${size}. Deploying it makes and drops nothing outside of Lambent.\n`;
  return [
    `${style.bold(app)} has ${size}. Deploying it does this outside of Lambent, as soon as it is live:\n`,
    ...changes.flatMap(({ trigger, kind, place, statements }) => [
      `\n${kind === 'make' ? style.green('makes') : style.red('drops')} in ${style.bold(visible(place))}, for ${trigger}\n`,
      ...statements.map((statement) => `  ${visible(statement)};\n`),
    ]),
    changes.some(({ statements }) => statements.some((each) => each.includes('XXXXXXXX')))
      ? `\n${style.dim('XXXXXXXX stands for eight digits that are drawn by lot when it is made.')}\n`
      : '',
  ].join('');
}

interface Upload {
  readonly folder: string;
  readonly weight: number;
  readonly note: string;
}

async function upload(
  client: ApiClient,
  request: Upload,
  progress: Progress,
  style: Style,
): Promise<DeployedView> {
  // Loaded here: only this command packs.
  const { packApp } = await import('../../functions/pack.ts');
  const body = await client.stream({
    method: 'POST',
    path: '/deployments',
    query: { note: request.note, weight: request.weight },
    headers: { 'content-type': 'application/gzip', accept: 'application/x-ndjson' },
    body: packApp(request.folder),
    patient: true,
  });
  for await (const text of readLines(body)) {
    if (text === '') continue;
    const event = parseEvent(text);
    if ('line' in event) {
      progress.line(`  ${style.dim(event.line.step.padEnd(7))}  ${visible(event.line.text)}`);
      progress.set(visible(event.line.text));
    } else if ('result' in event) return event.result;
    else throw new ServerError(event.error, event.requestId, request.folder);
  }
  throw new LambentError('E_UNREACHABLE', `${client.address} broke off before the deployment was done.`, {
    hint: '`lambent deployments` shows whether it was stored; deploying again does no harm.',
  });
}

function parseEvent(text: string): DeployEvent {
  try {
    const event: unknown = JSON.parse(text);
    if (
      typeof event === 'object' &&
      event !== null &&
      ('line' in event || 'result' in event || serverError(event))
    ) {
      return event as DeployEvent;
    }
  } catch {
    // Said below.
  }
  throw new LambentError(
    'E_UNREACHABLE',
    'The server answered the deployment with something that is not Lambent.',
  );
}

function describe(result: DeployedView, address: string, style: Style): string {
  const { deployment, tookMs } = result;
  const name = `${deployment.app} d${deployment.number}`;
  const size = counted(deployment.functions.length, 'function');
  const weight = result.live.traffic.find((share) => share.number === deployment.number)?.weight ?? 0;
  const state =
    weight === 100
      ? 'It is live.'
      : weight > 0
        ? `It gets ${weight} % of the traffic.`
        : 'It gets no traffic: only its preview host serves it.';
  const { preview } = result;
  const shown = preview.url?.replace(/\/$/, '') ?? `${address} with the header "Host: ${preview.host}"`;
  return [
    `${style.green('Deployed')} ${style.bold(name)} with ${size} in ${formatDuration(tookMs)}. ${state}\n`,
    ...(weight > 0 ? [`  ${style.cyan(address)}\n`] : []),
    `  ${shown}  ${style.dim('(preview: always this deployment)')}\n`,
  ].join('');
}
