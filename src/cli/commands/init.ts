import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LambentError } from '../../base/errors.ts';
import { usage } from '../arguments.ts';
import { type Arguments, type Command, JSON_OPTION } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { refreshGoModule } from '../go-module-files.ts';
import { writeSchema } from '../manifest-schema-file.ts';
import { createStyle, printJson } from '../output.ts';
import { FILES_ROOT } from '../package-facts.ts';
import type { Terminal } from '../terminal.ts';

/** What each template shows; a folder of that name is in templates/. */
const TEMPLATES = {
  api: 'TypeScript: a fetch handler and a Lambda handler',
  hono: 'TypeScript with Hono',
  express: 'JavaScript with Express',
  javascript: 'plain JavaScript, no configuration',
  python: 'Python: an ASGI app and a Lambda handler',
  go: 'Go: a net/http handler and a handler of events',
  mixed: 'TypeScript, Python and Go in one app, calling each other',
} as const;
type TemplateName = keyof typeof TEMPLATES;
const TEMPLATE_NAMES = Object.keys(TEMPLATES) as TemplateName[];

export const initCommand: Command = {
  name: 'init',
  summary: 'Write a small app to begin with',
  positionals: [{ name: 'folder', required: false }],
  options: {
    template: { kind: 'text', short: 't', value: 'NAME', text: `one of ${TEMPLATE_NAMES.join(', ')} (api)` },
    force: { kind: 'flag', text: 'overwrite files that are in the way' },
    ...JSON_OPTION,
  },
  details: `Templates:
${TEMPLATE_NAMES.map((name) => `  ${name.padEnd(10)}  ${TEMPLATES[name]}`).join('\n')}

Without a folder it writes into the present one. The folder's name becomes the name of the app.`,
  examples: [
    ['lambent init my-app', 'a new folder with the template "api"'],
    ['lambent init my-app --template hono', 'with Hono'],
    ['lambent init', 'into the present folder'],
  ],
  run: init,
};

async function init(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const template = args.choice('template', TEMPLATE_NAMES) ?? 'api';
  const folder = resolve(terminal.cwd, args.positionals[0] ?? '.');
  // Loaded here: the parser of manifests is heavy, and most commands do without.
  const { appNameFrom } = await import('../../model/manifest.ts');
  const app = appNameFrom(basename(folder));
  const files = await readTemplate(template, app);
  if (!args.flag('force')) await refuseOverwriting(folder, [...files.keys()], terminal.cwd);
  for (const [path, text] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  await writeSchema(folder);
  await refreshGoModule(folder);
  const names = [...files.keys()].sort();
  if (args.flag('json')) printJson(terminal.out, { app, folder, template, files: names });
  else terminal.out.write(nextSteps(terminal, { app, folder, template, names }));
  return EXIT.ok;
}

/** The files of a template by their path in the app, with the app's name filled in. */
async function readTemplate(template: TemplateName, app: string): Promise<Map<string, string>> {
  const root = fileURLToPath(new URL(`templates/${template}/`, FILES_ROOT));
  const files = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const text = await readFile(path, 'utf8');
    // npm leaves files named .gitignore out of packages, so the template spells it without the dot.
    const target = relative(root, path).replace(/(^|\/)gitignore$/, '$1.gitignore');
    files.set(target, text.replaceAll('__app__', app));
  }
  return files;
}

async function refuseOverwriting(folder: string, paths: readonly string[], cwd: string): Promise<void> {
  const target = await stat(folder).catch(() => undefined);
  if (target !== undefined && !target.isDirectory()) {
    throw usage(`${relative(cwd, folder)} is a file`, 'Name a folder.');
  }
  const present = await Promise.all(
    paths.map(async (path) =>
      (await stat(join(folder, path)).catch(() => undefined)) === undefined ? [] : [path],
    ),
  );
  const inTheWay = present.flat().map((path) => relative(cwd, join(folder, path)));
  if (inTheWay.length === 0) return;
  throw new LambentError('E_CONFLICT', `Already there: ${inTheWay.join(', ')}. Nothing was written.`, {
    hint: 'Choose another folder, or overwrite with --force.',
  });
}

interface Written {
  readonly app: string;
  readonly folder: string;
  readonly template: TemplateName;
  readonly names: readonly string[];
}

function nextSteps(terminal: Terminal, { app, folder, template, names }: Written): string {
  const style = createStyle(terminal.out, terminal.env);
  const where = shellQuoted(relative(terminal.cwd, folder));
  const needsInstall = template === 'hono' || template === 'express';
  // `npx lambent` sets this: then there may be no `lambent` on the path.
  const program = terminal.env.npm_command === 'exec' ? 'npx lambent' : 'lambent';
  const steps = [
    ...(needsInstall ? [`npm install${where === '' ? '' : ` --prefix ${where}`}`] : []),
    `${program} dev${where === '' ? '' : ` ${where}`}`,
  ];
  return `Wrote the app ${style.bold(app)} (template ${template})${where === '' ? '' : ` to ${where}`}:
${names.map((name) => `  ${name}`).join('\n')}

Next:
${steps.map((step) => `  ${style.cyan(step)}`).join('\n')}
`;
}

/** As a person would type it. */
function shellQuoted(path: string): string {
  return /^[\w./@%+,-]*$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
