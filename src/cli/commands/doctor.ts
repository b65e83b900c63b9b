import { join, resolve } from 'node:path';
import { isolationFinding } from '../../admin/isolation-finding.ts';
import { LambentError } from '../../base/errors.ts';
import type { SandboxDescription } from '../../ports/sandbox.ts';
import { createApiClient, isLoopback, namesServer } from '../api-client.ts';
import type { Check, DoctorView } from '../api-views.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { checkMachine, checkWithoutServer } from '../local-checks.ts';
import { createStyle, printJson, type Style, visible } from '../output.ts';
import { withProgress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'Check what Lambent needs, and say how well functions are isolated',
  positionals: [],
  options: {
    data: { kind: 'text', value: 'FOLDER', text: 'check the space for this data folder' },
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
  },
  details: `Asks the running server. Where none answers and none was named, it checks this machine by itself.
The exit code is 1 when a check fails; warnings do not count.`,
  examples: [
    ['lambent doctor', 'the server at http://localhost:5262, or else this machine'],
    ['lambent doctor --json | jq \'.checks[] | select(.status != "ok")\'', 'what is not well, for a script'],
  ],
  run: doctor,
};

async function doctor(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const client = createApiClient(args, terminal);
  const remote = await withProgress(terminal, 'Checking', async () => {
    try {
      return await client.send<DoctorView>({ method: 'GET', path: '/doctor', patient: true });
    } catch (thrown) {
      const noneRuns = thrown instanceof LambentError && thrown.code === 'E_UNREACHABLE';
      if (noneRuns && !namesServer(args, terminal)) return undefined;
      throw thrown;
    }
  });
  const dataDir = resolve(
    terminal.cwd,
    args.text('data') ?? (terminal.env.LAMBENT_DATA || join(terminal.home, '.lambent')),
  );
  const { checks, isolation } =
    remote === undefined
      ? await lookHere(terminal, dataDir)
      : await joinLocal(remote, isLoopback(client.address), terminal, dataDir);
  const subject = remote === undefined ? 'this machine' : client.address;
  if (args.flag('json')) printJson(terminal.out, { subject, checks, isolation });
  else {
    const style = createStyle(terminal.out, terminal.env);
    const heading =
      remote === undefined
        ? `No server answers at ${client.address}: checking this machine.`
        : `The server at ${client.address}:`;
    const text = checks.map((check) => checkText(check, style)).join('');
    terminal.out.write(`${heading}\n\n${text}${isolationText(isolation, style)}`);
  }
  return checks.some((check) => check.status === 'fail') ? EXIT.failed : EXIT.ok;
}

/** What this machine shows where no server runs. Isolation is proved on a live instance. */
async function lookHere(terminal: Terminal, dataDir: string): Promise<DoctorView> {
  // Loaded here: where a server runs there is no need for it.
  const { lookAtIsolation } = await import('../../server/isolation.ts');
  const [checks, isolation] = await Promise.all([checkWithoutServer(terminal, dataDir), lookAtIsolation()]);
  return { checks: [...checks, isolationFinding(isolation)], isolation };
}

/** What the server says, and what this machine shows where the server runs on it; what both checked, once. */
async function joinLocal(
  remote: DoctorView,
  isLocal: boolean,
  terminal: Terminal,
  dataDir: string,
): Promise<DoctorView> {
  if (!isLocal) return remote;
  const known = new Set(remote.checks.map((check) => check.name));
  const machine = await checkMachine(terminal, dataDir);
  return { ...remote, checks: [...remote.checks, ...machine.filter((check) => !known.has(check.name))] };
}

function checkText(check: Check, style: Style): string {
  const mark = { ok: style.green('ok  '), warn: style.yellow('warn'), fail: style.red('FAIL') }[check.status];
  const fix =
    check.fix === undefined || check.status === 'ok' ? '' : `      ${style.dim(visible(check.fix))}\n`;
  return `${mark}  ${visible(check.name)}: ${visible(check.text)}\n${fix}`;
}

function isolationText(isolation: SandboxDescription, style: Style): string {
  const lines = isolation.protections.map((protection) => {
    const mark = protection.enforced ? style.green('yes') : style.yellow('no ');
    return `  ${mark}  ${visible(protection.name)}: ${visible(protection.note)}`;
  });
  const heading = `Isolation of functions: level ${isolation.level} (${visible(isolation.driver)}): ${visible(isolation.summary)}`;
  return `\n${[style.bold(heading), ...lines].join('\n')}\n`;
}
