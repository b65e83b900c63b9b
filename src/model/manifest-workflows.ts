import { FUNCTION_NAME, type FunctionName, type RuntimeName } from './function.ts';
import { ENTRY_ENDINGS, runtimeOfEntry } from './languages.ts';
import { parseFunctionConfig } from './manifest-function.ts';
import type { FoundFunction, FunctionPlan } from './manifest-plan.ts';
import type { ManifestProblems } from './manifest-problems.ts';
import type { FunctionInput, ManifestInput, WorkflowInput } from './manifest-schema.ts';

/** An attempt of a step may take this long unless the manifest says otherwise. */
const STEP_TIMEOUT = '15m';
/** Executions of one workflow that are hot at once on a node; others wait in the store. */
const HOT_MAX = 10_000;
/** Languages that durable code can be written in. */
const CODE_RUNTIMES: ReadonlySet<RuntimeName> = new Set(['node', 'python', 'go']);

export interface PlannedWorkflow {
  readonly plan: FunctionPlan;
  readonly settings: FunctionInput;
}

/** The durable workflows of an app: functions of a kind of their own, which share the functions' names. */
export function planWorkflows(
  input: ManifestInput,
  found: readonly FoundFunction[],
  functionNames: ReadonlySet<string>,
  problems: ManifestProblems,
): PlannedWorkflow[] {
  const listed: readonly (readonly [string, WorkflowInput])[] =
    input.workflows === undefined
      ? found.map((each): [string, WorkflowInput] => [each.name, {}])
      : Object.entries(input.workflows).map(([name, settings]): [string, WorkflowInput] => [
          name,
          settings ?? {},
        ]);
  const foundByName = new Map(found.map((each) => [each.name, each]));
  const planned: PlannedWorkflow[] = [];
  for (const [name, settings] of listed) {
    const path = ['workflows', name];
    if (!FUNCTION_NAME.test(name))
      problems.add(
        path,
        'key',
        `\`${name}\` is no name of a workflow: letters, digits, \`_\` and \`-\`, at most 64`,
      );
    if (functionNames.has(name))
      problems.add(path, 'key', `\`${name}\` is both a function and a workflow: rename one of them`);
    const plan = planWorkflow(name, settings, input, foundByName.get(name), problems);
    // An execution is started by a route only where the manifest says so.
    if (plan !== undefined)
      planned.push({
        plan,
        settings: { ...functionSettings(settings), routes: settings.routes ?? [], on: settings.on },
      });
  }
  return planned;
}

function planWorkflow(
  name: string,
  settings: WorkflowInput,
  input: ManifestInput,
  found: FoundFunction | undefined,
  problems: ManifestProblems,
): FunctionPlan | undefined {
  const path = ['workflows', name];
  if (settings.definition !== undefined) return planDefinition(name, settings, input, problems);
  const entry = settings.entry?.replace(/^\.\//, '') ?? found?.entry;
  if (entry === undefined) {
    problems.add(
      path,
      'key',
      `\`workflows.${name}\` names no \`entry\` and no \`definition\`, and there is no workflows/${name}.ts, .py or .go and no workflows/${name}/index.ts, main.py or main.go`,
    );
    return undefined;
  }
  const runtime = runtimeOfEntry(entry);
  if (!isInside(entry) || runtime === undefined || !CODE_RUNTIMES.has(runtime)) {
    const endings = ENTRY_ENDINGS.filter((ending) => CODE_RUNTIMES.has(runtimeOfEntry(`x${ending}`)!));
    const expected = `a path inside the app, with \`/\`, that ends in one of ${endings.join(' ')}`;
    problems.addWrong([...path, 'entry'], expected, entry);
    return undefined;
  }
  const config = parseFunctionConfig(functionSettings(settings), input.env ?? {}, path, problems);
  return {
    name: name as FunctionName,
    runtime,
    runtimeVersion: undefined,
    entry,
    handler: settings.handler,
    external: settings.external ?? [],
    include: settings.include ?? [],
    config: { ...config, maxConcurrency: HOT_MAX, queueMax: HOT_MAX, workflow: true },
  };
}

/** Settings of instances, which a definition has none of. */
const OF_CODE = [
  'entry',
  'handler',
  'timeout',
  'memory',
  'maxInstances',
  'idle',
  'env',
  'external',
  'include',
] as const;

/** A workflow in Amazon States Language: its entry is the definition. */
function planDefinition(
  name: string,
  settings: WorkflowInput,
  input: ManifestInput,
  problems: ManifestProblems,
): FunctionPlan | undefined {
  const path = ['workflows', name];
  for (const key of OF_CODE)
    if (settings[key] !== undefined)
      problems.add([...path, key], 'key', `a workflow with a \`definition\` has no \`${key}\``);
  const entry = (settings.definition ?? '').replace(/^\.\//, '');
  if (!isInside(entry) || !entry.endsWith('.json')) {
    const expected = 'a path inside the app, with `/`, that ends in `.json`';
    problems.addWrong([...path, 'definition'], expected, settings.definition);
    return undefined;
  }
  return {
    name: name as FunctionName,
    runtime: 'asl',
    runtimeVersion: undefined,
    entry,
    handler: undefined,
    external: [],
    include: [],
    config: { ...parseFunctionConfig({}, input, path, problems), workflow: true },
  };
}

function isInside(entry: string): boolean {
  return !entry.startsWith('/') && !/[\\\0]/.test(entry) && !entry.split('/').includes('..');
}

function functionSettings(settings: WorkflowInput): FunctionInput {
  return { ...settings, timeout: settings.timeout ?? STEP_TIMEOUT };
}
