import { join, relative, resolve } from 'node:path';
import { LambentError } from '../../base/errors.ts';
import { PLATFORM_VERSION } from '../../server/platform-version.ts';
import { type Arguments, type Command, LISTEN_OPTIONS } from '../command.ts';
import { createEventPrinter } from '../event-printer.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { createStyle, formatDuration } from '../output.ts';
import { listenOptions } from '../platform-options.ts';
import { type Terminal, whenAborted } from '../terminal.ts';

export const devCommand: Command = {
  name: 'dev',
  summary: 'Serve the app in a folder, and reload it on every save',
  positionals: [{ name: 'folder', required: false }],
  options: LISTEN_OPTIONS,
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
  terminal.out.write(`${style.bold(`Lambent ${PLATFORM_VERSION}`)} ${style.dim('dev')}\n\n`);
  const stop = terminal.catchInterrupts();
  // Loaded here, so that the other commands start without the platform.
  const { startPlatform } = await import('../../server/main.ts');
  const platform = await startPlatform({
    ...options,
    mode: 'dev',
    folders: [folder],
    log: 'pretty',
    onEvent: createEventPrinter(terminal, 'dev'),
  });
  terminal.out.write(`${style.dim('App    ')}  ${style.cyan(platform.url)}
${style.dim('Console')}  ${style.cyan(`${platform.url}/_lambent/`)}
${style.dim('Data   ')}  ${relative(terminal.cwd, options.dataDir) || '.'}

Ready in ${formatDuration(terminal.clock.monotonicMs() - startedMs)}. Save a file to reload; Ctrl-C stops.

`);
  await Promise.race([whenAborted(stop), platform.closed]);
  if (!stop.aborted) throw new LambentError('E_INTERNAL', 'The platform stopped by itself.');
  terminal.err.write('\nStopping; once more Ctrl-C stops at once.\n');
  await platform.close();
  return EXIT.ok;
}
