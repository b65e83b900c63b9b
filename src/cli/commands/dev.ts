import { readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { PLATFORM_VERSION } from '../../server/platform-version.ts';
import { checkFolder } from '../app-folder.ts';
import { type Arguments, type Command, LISTEN_OPTIONS } from '../command.ts';
import { createEventPrinter } from '../event-printer.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { refreshGoModule } from '../go-module-files.ts';
import { SCHEMA_PATH, writeSchema } from '../manifest-schema-file.ts';
import { createStyle, formatDuration } from '../output.ts';
import { isolationLine, listenOptions, STOPPING } from '../platform-options.ts';
import { type Terminal, whenAborted } from '../terminal.ts';

export const devCommand: Command = {
  name: 'dev',
  summary: 'Serve the app in a folder, and reload it on every save',
  positionals: [{ name: 'folder', required: false }],
  options: {
    ...LISTEN_OPTIONS,
    'allow-host': { kind: 'list', value: 'NAME', text: 'answer for this Host as well; may be repeated' },
  },
  details: `Prints the routes, then each request, each line that functions write, and each reload. When a build fails, the
error is shown and the last good version goes on serving. It answers this machine alone, and needs no token.
Its data is in .lambent in the app's folder. Ctrl-C finishes open requests and stops; a second one stops at once.`,
  examples: [
    ['lambent dev', 'the app in the present folder, on http://localhost:5262'],
    ['lambent dev my-app --port 3000', 'another folder, another port'],
  ],
  run: dev,
};

async function dev(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const startedMs = terminal.clock.monotonicMs();
  const folder = resolve(terminal.cwd, args.positionals[0] ?? '.');
  const style = createStyle(terminal.out, terminal.env);
  const options = listenOptions(args, terminal, join(folder, '.lambent'));
  await checkFolder(folder);
  terminal.out.write(`${style.bold(`Lambent ${PLATFORM_VERSION}`)} ${style.dim('dev')}\n\n`);
  await refreshSchema(folder);
  await refreshGoModule(folder).catch(() => undefined);
  const stop = terminal.catchInterrupts();
  // Loaded here, so that the other commands start without the platform.
  const { startPlatform } = await import('../../server/main.ts');
  const platform = await startPlatform({
    ...options,
    mode: 'dev',
    ownsProcess: true,
    allowHosts: [...args.list('allow-host')],
    folders: [folder],
    log: 'pretty',
    stop,
    buildConsole: true,
    onEvent: createEventPrinter(terminal, 'dev'),
  });
  terminal.out.write(`${style.dim('App    ')}  ${style.cyan(platform.url)}
${style.dim('Console')}  ${style.cyan(`${platform.url}/_lambent/`)}
${style.dim('Data   ')}  ${shownPath(terminal.cwd, options.dataDir)}
${isolationLine(platform.isolation, style)}
Ready in ${formatDuration(terminal.clock.monotonicMs() - startedMs)}. Save a file to reload; Ctrl-C stops.

`);
  const failure = await Promise.race([whenAborted(stop), platform.closed]);
  if (failure !== undefined) throw failure;
  terminal.err.write(STOPPING);
  await platform.close();
  return EXIT.ok;
}

/**
 * Brings the schema that the manifest's first line names up to this version. A folder that cannot be written to is
 * no reason not to serve it: only completion in editors is missing. The same holds for Go's module.
 */
async function refreshSchema(folder: string): Promise<void> {
  const manifest = await readFile(join(folder, 'lambent.yaml'), 'utf8').catch(() => '');
  if (manifest.includes(SCHEMA_PATH)) await writeSchema(folder).catch(() => undefined);
}

/** Relative where that is shorter to read. */
function shownPath(cwd: string, path: string): string {
  const short = relative(cwd, path);
  return short.startsWith('..') ? path : short || '.';
}
