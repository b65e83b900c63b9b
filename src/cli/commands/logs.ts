import { delay } from '../../base/clock.ts';
import { type ErrorRecord, LambentError } from '../../base/errors.ts';
import type { LogLine, LogSeverity } from '../../model/invocation.ts';
import { type ApiClient, createApiClient, ServerError } from '../api-client.ts';
import type { LogsView } from '../api-views.ts';
import { type Arguments, type Command, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { formatLogLine } from '../log-line.ts';
import { chooseFunction, type FunctionName } from '../name-choice.ts';
import { createStyle, printJson } from '../output.ts';
import { parseAge } from '../parse-age.ts';
import { type Terminal, whenAborted } from '../terminal.ts';
import { readServerSentEvents } from '../text-lines.ts';

const LIMIT_DEFAULT = 100;
/** Following begins with a few lines of what was. */
const LIMIT_DEFAULT_FOLLOW = 20;
const LIMIT_MAX = 10_000;
const SEVERITIES: readonly LogSeverity[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
/** A broken stream is opened again after these waits; then `logs --follow` gives up. */
const RECONNECT_MS = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000];

export const logsCommand: Command = {
  name: 'logs',
  summary: 'Show what functions wrote, or follow it',
  positionals: [{ name: 'NAME', required: false }],
  options: {
    follow: { kind: 'flag', short: 'f', text: 'go on with new lines as they come, until Ctrl-C' },
    invocation: { kind: 'text', value: 'ID', text: 'only the lines of one invocation' },
    severity: { kind: 'text', value: 'LEVEL', text: `at least this: ${SEVERITIES.join(', ')}` },
    text: { kind: 'text', value: 'TEXT', text: 'only lines that contain this, in any case' },
    since: { kind: 'text', value: 'AGE', text: 'only lines younger than this: 30s, 10m, 2h, 7d' },
    limit: {
      kind: 'text',
      value: 'N',
      text: `the last N lines (${LIMIT_DEFAULT}; ${LIMIT_DEFAULT_FOLLOW} with --follow)`,
    },
    app: { kind: 'text', value: 'APP', text: 'only this app' },
    ...SERVER_OPTIONS,
    json: { kind: 'flag', text: 'print JSON: one document, or with --follow one object a line' },
  },
  details: 'NAME is a function, or app/function. Without it, the lines of all functions are shown.',
  examples: [
    ['lambent logs', 'the last lines of everything'],
    ['lambent logs shop/checkout --follow', 'what one function writes, as it writes it'],
    ['lambent logs --severity error --since 1h', 'the errors of the last hour'],
    ['lambent logs --follow --json | jq .text', 'for a program'],
  ],
  run: logs,
};

type Filter = Readonly<Record<string, string | number | undefined>>;

async function logs(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const follow = args.flag('follow');
  const limit = args.wholeNumber('limit', 1, LIMIT_MAX) ?? (follow ? LIMIT_DEFAULT_FOLLOW : LIMIT_DEFAULT);
  const severity = args.choice('severity', SEVERITIES);
  const sinceMs = parseAge('since', args.text('since'));
  const client = createApiClient(args, terminal);
  const chosen = await chosenFunction(client, args);
  const filter: Filter = {
    app: chosen?.app ?? args.text('app'),
    function: chosen?.name,
    invocation: args.text('invocation'),
    severity,
    text: args.text('text'),
    from: sinceMs === undefined ? undefined : Math.floor(terminal.clock.nowMs() - sinceMs),
  };
  const past = await client.send<LogsView>({ method: 'GET', path: '/logs', query: { ...filter, limit } });
  const print = linePrinter(args, terminal);
  if (args.flag('json') && !follow) printJson(terminal.out, past);
  else for (const line of past.items) print(line);
  if (follow) return await followLines(client, terminal, filter, past.last, print);
  if (past.items.length === 0) terminal.err.write('There are no such lines.\n');
  return EXIT.ok;
}

/** `app/name` is taken as it is, because lines outlive their functions; a bare name is looked up. */
async function chosenFunction(client: ApiClient, args: Arguments): Promise<FunctionName | undefined> {
  const given = args.positionals[0];
  if (given === undefined) return undefined;
  const app = args.text('app');
  const [left = '', right] = given.split('/', 2);
  if (right !== undefined) return { app: left, name: right };
  return app === undefined ? await chooseFunction(client, given, undefined) : { app, name: given };
}

function linePrinter(args: Arguments, terminal: Terminal): (line: LogLine) => void {
  if (args.flag('json')) return (line) => terminal.out.write(`${JSON.stringify(line)}\n`);
  const style = createStyle(terminal.out, terminal.env);
  return (line) => terminal.out.write(formatLogLine(line, style));
}

/** Follows the stream over broken connections, without losing or repeating a line: it resumes by sequence. */
async function followLines(
  client: ApiClient,
  terminal: Terminal,
  filter: Filter,
  last: number,
  print: (line: LogLine) => void,
): Promise<ExitCode> {
  const stop = terminal.catchInterrupts();
  let position = String(last);
  let failures = 0;
  while (!stop.aborted) {
    try {
      const headers = { accept: 'text/event-stream', 'last-event-id': position };
      const body = await client.stream({
        method: 'GET',
        path: '/logs/stream',
        query: filter,
        headers,
        patient: true,
        signal: stop,
      });
      failures = 0;
      for await (const event of readServerSentEvents(body)) {
        if (event.id !== '') position = event.id;
        if (event.event === 'message') print(parseJson(event.data) as LogLine);
        else if (event.event === 'error')
          throw new ServerError(parseJson(event.data) as ErrorRecord, undefined);
        else if (event.event === 'lagged')
          terminal.err.write('More is written than can be shown: this is behind.\n');
      }
    } catch (thrown) {
      if (stop.aborted) break;
      if (!(thrown instanceof LambentError) || thrown.code !== 'E_UNREACHABLE') throw thrown;
      if (failures === 0) terminal.err.write('The connection broke off; trying again.\n');
      if (failures === RECONNECT_MS.length - 1) throw thrown;
      failures += 1;
    }
    await Promise.race([delay(terminal.clock, RECONNECT_MS[failures]!), whenAborted(stop)]);
  }
  return EXIT.ok;
}

function parseJson(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    throw new LambentError('E_UNREACHABLE', 'The server sent a log line that is not JSON.');
  }
}
