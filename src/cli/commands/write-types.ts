import { spawnSync } from 'node:child_process';
import { readFile, realpath, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../base/clock.ts';
import type { FunctionPlan } from '../../model/manifest.ts';
import { type Arguments, type Command, JSON_OPTION } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { printJson } from '../output.ts';
import type { Terminal } from '../terminal.ts';

/** The file in the app's folder that is written. */
const FILE = 'lambent-functions.d.ts';
/** Endings of sources that TypeScript knows the types of. */
const TYPED = /\.(?:ts|mts|cts|tsx)$/;
/** Reads the annotations of handlers in Python; it runs none of the app's code. */
const PYTHON_PROGRAM = fileURLToPath(new URL('../python_signatures.py', import.meta.url));
/** The same for programs in Go. */
const GO_PROGRAM = fileURLToPath(new URL('../go-signatures.go', import.meta.url));
/** The first time, Go compiles what it needs to read itself. */
const READ_MS_MAX = 60_000;
const READ_BYTES_MAX = 16 * 1024 * 1024;
/** What the platform calls where the manifest names no handler. */
const PYTHON_HANDLERS = ['handler', 'lambda_handler'];

export const typesCommand: Command = {
  name: 'types',
  summary: "Write the TypeScript types of an app's functions, for typed calls between them",
  positionals: [{ name: 'folder', required: false }],
  options: {
    check: { kind: 'flag', text: `write nothing; exit with 1 when ${FILE} is not up to date` },
    ...JSON_OPTION,
  },
  details: `It writes ${FILE} into the app's folder. With it, \`invoke('name', event)\` from the package
\`lambent\` knows the functions of the app, the events that they take and what they give. The types themselves stay
in the functions: run it again only when functions come, go or move. Those of functions in Python are written out, from
annotations by builtins, TypedDicts and dataclasses of the same file, and those in Go from the types of the program's
own package: run it again when they change. Functions in other languages and in JavaScript take and give \`unknown\`.`,
  examples: [
    ['lambent types', 'for the app in the present folder'],
    ['lambent types shop --check', 'in continuous integration'],
  ],
  run: types,
};

async function types(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const folder = await realpath(resolve(terminal.cwd, args.positionals[0] ?? '.'));
  // Loaded here: most commands do without the reader of apps.
  const { readApp } = await import('../../functions/read/read-app.ts');
  const plan = await readApp(folder, { clock: systemClock, confined: false });
  const signatures = new Map([
    ...pythonSignatures(folder, plan.functions, terminal),
    ...(await goSignatures(folder, plan.functions, terminal)),
  ]);
  const text = typesText(plan.functions, signatures);
  const path = join(folder, FILE);
  const before = await readFile(path, 'utf8').catch(() => undefined);
  const changed = text !== before;
  if (changed && !args.flag('check')) await writeFile(path, text);
  const shown = relative(terminal.cwd, path);
  const functions = plan.functions.map(({ name }) => name);
  if (args.flag('json')) printJson(terminal.out, { file: path, changed, functions });
  else if (!changed) terminal.out.write(`${shown} is up to date\n`);
  else if (args.flag('check')) terminal.err.write(`${shown} is not up to date: run \`lambent types\`\n`);
  else terminal.out.write(`Wrote the types of ${functions.length} functions to ${shown}\n`);
  return changed && args.flag('check') ? EXIT.failed : EXIT.ok;
}

type Signatures = ReadonlyMap<string, string>;
/** The types of an event and a result; an empty event: the handler takes none. */
type Found = readonly (readonly [event: string, result: string] | null)[];

/** What Python functions take and give as TypeScript types, by name; those that do not say are not there. */
function pythonSignatures(
  folder: string,
  functions: readonly FunctionPlan[],
  terminal: Terminal,
): Signatures {
  const plans = functions.filter(({ runtime, entry }) => runtime === 'python' && entry.endsWith('.py'));
  if (plans.length === 0) return new Map();
  const input = JSON.stringify(
    plans.map(({ entry, handler }) => ({
      path: join(folder, entry),
      handlers: handler === undefined ? PYTHON_HANDLERS : [handler],
    })),
  );
  const found = readWith('python3', ['-I', PYTHON_PROGRAM], input);
  if (found === undefined)
    terminal.err.write('The types of Python functions are left unknown: python3 could not read them\n');
  return signaturesOf(plans, found);
}

/** The same of programs in Go. */
async function goSignatures(
  folder: string,
  functions: readonly FunctionPlan[],
  terminal: Terminal,
): Promise<Signatures> {
  const plans = functions.filter(({ runtime }) => runtime === 'go');
  if (plans.length === 0) return new Map();
  const { findGo } = await import('../../functions/build/go/go-toolchain.ts');
  // As it is built: a file directly in `functions/` is a program by itself.
  const input = JSON.stringify(
    plans.map(({ entry }) => {
      const alone = dirname(entry) === 'functions' && basename(entry) !== 'main.go';
      return { folder: join(folder, dirname(entry)), file: alone ? basename(entry) : '' };
    }),
  );
  const go = findGo();
  const found = go === undefined ? undefined : readWith(go, ['run', GO_PROGRAM], input);
  if (found === undefined)
    terminal.err.write('The types of functions in Go are left unknown: go could not read them\n');
  return signaturesOf(plans, found);
}

function readWith(program: string, args: readonly string[], input: string): Found | undefined {
  const env = { ...process.env, GOFLAGS: '', GOWORK: 'off' };
  const { status, stdout } = spawnSync(program, args, {
    ...{ input, env, encoding: 'utf8', timeout: READ_MS_MAX, maxBuffer: READ_BYTES_MAX },
  });
  return status === 0 ? (JSON.parse(stdout) as Found) : undefined;
}

function signaturesOf(plans: readonly FunctionPlan[], found: Found = []): Signatures {
  const signatures = new Map<string, string>();
  plans.forEach(({ name }, place) => {
    const [event, result] = found[place] ?? [];
    if (event === undefined) return;
    const takes = event === '' ? '' : `event: ${event}`;
    signatures.set(name, `FunctionIn<{ handler: (${takes}) => ${result} }>`);
  });
  return signatures;
}

function typesText(functions: readonly FunctionPlan[], written: Signatures): string {
  const entries = functions
    .toSorted((left, right) => (left.name < right.name ? -1 : 1))
    .map((plan) => `    ${JSON.stringify(plan.name)}: ${written.get(plan.name) ?? signatureText(plan)};\n`);
  return `// Written by \`lambent types\`: what the functions of this app take and give.
import type { FunctionIn, UntypedFunction } from 'lambent';

declare module 'lambent' {
  interface AppFunctions {
${entries.join('')}  }
}
`;
}

function signatureText({ runtime, entry, handler }: FunctionPlan): string {
  if (runtime !== 'node' || !TYPED.test(entry)) return 'UntypedFunction';
  const named = handler === undefined ? '' : `, ${JSON.stringify(handler)}`;
  return `FunctionIn<typeof import(${JSON.stringify(`./${entry}`)})${named}>`;
}
