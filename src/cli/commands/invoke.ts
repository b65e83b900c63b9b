import type { InvocationError } from '../../model/invocation.ts';
import { type ApiClient, createApiClient, segment } from '../api-client.ts';
import type { InvokeView } from '../api-views.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { readJsonInput } from '../json-input.ts';
import { chooseFunction, type FunctionName } from '../name-choice.ts';
import { createStyle, printJson, visible } from '../output.ts';
import { withProgress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';

export const invokeCommand: Command = {
  name: 'invoke',
  summary: 'Call a function with a JSON event',
  positionals: [{ name: 'NAME', required: true }],
  options: {
    data: {
      kind: 'text',
      short: 'd',
      value: 'JSON',
      text: 'the event: JSON text, @file, or - for stdin (else {})',
    },
    async: { kind: 'flag', text: 'do not wait: the platform runs it later, with retries' },
    app: { kind: 'text', value: 'APP', text: 'the app, where several have a function of that name' },
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
  },
  details: `NAME is the function, or app/function. The result is printed as JSON. When the function fails, its error
goes to stderr and the exit code is 5. With --json the whole outcome is printed, with id and billed time.`,
  examples: [
    [`lambent invoke add --data '{"a": 1, "b": 2}'`, 'call it and print the result'],
    ['lambent invoke shop/resize --data @event.json --async', 'queue it and print the id of the invocation'],
    ['cat event.json | lambent invoke resize --data -', 'the event from a pipe'],
  ],
  run: invoke,
};

async function invoke(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const event = await readJsonInput(args.text('data') ?? '{}', terminal);
  const client = createApiClient(args, terminal);
  const chosen = await chooseFunction(client, args.positionals[0]!, args.text('app'));
  const json = args.flag('json');
  if (args.flag('async')) {
    const { id } = await call<{ id: string }>(client, chosen, 'async', event);
    if (json) printJson(terminal.out, { id });
    else {
      terminal.err.write(
        `Queued. Follow it with \`lambent logs ${chosen.app}/${chosen.name} --invocation ${id}\`.\n`,
      );
      terminal.out.write(`${id}\n`);
    }
    return EXIT.ok;
  }
  const label = `${chosen.app}/${chosen.name} is running`;
  const outcome = await withProgress(terminal, label, () => call<InvokeView>(client, chosen, 'sync', event));
  if (json) printJson(terminal.out, outcome);
  else if (outcome.status === 'ok') printJson(terminal.out, outcome.result ?? null);
  if (outcome.status === 'ok') return EXIT.ok;
  printFailure(terminal, outcome.error, outcome.id);
  return EXIT.functionFailed;
}

function call<Answer>(
  client: ApiClient,
  { app, name }: FunctionName,
  mode: string,
  event: Uint8Array,
): Promise<Answer> {
  return client.send<Answer>({
    method: 'POST',
    path: `/apps/${segment(app)}/functions/${segment(name)}/invocations`,
    query: { mode },
    headers: { 'content-type': 'application/json' },
    body: event,
    patient: mode === 'sync',
  });
}

function printFailure(terminal: Terminal, error: InvocationError, id: string): void {
  const style = createStyle(terminal.err, terminal.env);
  const lines = [
    `${style.red(style.bold(error.code))}: ${visible(error.errorType)}: ${visible(error.errorMessage)}`,
    ...error.stackTrace.map((line) => style.dim(`  ${visible(line.trim())}`)),
    `  Its log lines: \`lambent logs --invocation ${id}\``,
  ];
  terminal.err.write(`${lines.join('\n')}\n`);
}
