import { readFile, realpath, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
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
in the functions: run it again only when functions come, go or move. Functions in other languages and in JavaScript
take and give \`unknown\`.`,
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
  const text = typesText(plan.functions);
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

function typesText(functions: readonly FunctionPlan[]): string {
  const entries = functions
    .toSorted((left, right) => (left.name < right.name ? -1 : 1))
    .map((plan) => `    ${JSON.stringify(plan.name)}: ${signatureText(plan)};\n`);
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
