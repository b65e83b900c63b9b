import { FINAL_STATUSES } from '../../model/execution.ts';
import type { JournalEntry } from '../../model/journal.ts';
import type { ExecutionStep, StepError } from '../../ports/execution-steps.ts';
import type { WorkflowGraph } from '../../ports/workflow-graph.ts';
import { type ApiClient, createApiClient, segment } from '../api-client.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { readJsonInput } from '../json-input.ts';
import { chooseFunction } from '../name-choice.ts';
import { createStyle, printJson, visible } from '../output.ts';
import { withProgress } from '../progress.ts';
import { errorText, type ExecutionView, executionTree } from '../run-tree.ts';
import type { Terminal } from '../terminal.ts';

const WAIT_S = 900;
const PAGE = 1_000;

interface OutcomeView {
  readonly id: string;
  readonly status: string;
  readonly output?: unknown;
  /** In place of an output that is too large for the answer. */
  readonly largeOutput?: { readonly blob: string };
  readonly error?: StepError;
}

export const runCommand: Command = {
  name: 'run',
  summary: 'Start or draw a workflow; show, cancel, retry or replay an execution',
  positionals: [
    { name: 'NAME|graph|show|cancel|retry|replay', required: true },
    { name: 'NAME|ID', required: false },
  ],
  options: {
    input: {
      kind: 'text',
      short: 'i',
      value: 'JSON',
      text: 'the input: JSON, @file, or - for stdin (else null)',
    },
    key: { kind: 'text', value: 'KEY', text: 'idempotency key: the same key and input start once' },
    priority: { kind: 'text', value: 'N', text: 'higher goes first, -100 to 100 (0)' },
    detach: { kind: 'flag', text: 'do not wait for the result' },
    app: { kind: 'text', value: 'APP', text: 'the app, where several have a workflow of that name' },
    from: {
      kind: 'text',
      value: 'OP',
      text: "retry: go on from this operation's number, or `failed`: what it failed at",
    },
    reason: { kind: 'text', value: 'TEXT', text: 'cancel: why, for the history' },
    force: { kind: 'flag', text: 'cancel: end it without a word to its code' },
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
  },
  details: `NAME is the workflow, or app/workflow. The result is printed as JSON; when the workflow fails, its error goes to
stderr and the exit code is 5. \`show\` prints an execution as a tree of its operations with times, attempts and errors.
\`graph\` prints what follows what in a workflow as Mermaid, which Markdown draws: of a state machine as its definition
has it, of code as its latest executions went. With --json the same as nodes and edges.`,
  examples: [
    [`lambent run order --input '{"id": 42}'`, 'start it, wait, print the result'],
    ['lambent run order --detach --key order-42', 'start it once for this key, print the id'],
    ['lambent run show 0199f3a0-5b7e-7c11-8a52-3f0c1d2e4b5a', 'what it did so far'],
    ['lambent run graph order', 'what follows what, as Mermaid'],
    ['lambent run retry 0199f3a0-5b7e-7c11-8a52-3f0c1d2e4b5a', 'start anew with the same input'],
    ['lambent run retry 0199f3a0-5b7e-7c11-8a52-3f0c1d2e4b5a --from failed', 'keep what had succeeded'],
    ['lambent run replay 0199f3a0-5b7e-7c11-8a52-3f0c1d2e4b5a', 'would the code of now go the same way?'],
  ],
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const [first, id] = args.positionals as [string, string | undefined];
  const client = createApiClient(args, terminal);
  if (id !== undefined && first === 'graph') return await graph(client, id, args, terminal);
  if (id !== undefined && first === 'show') return await show(client, id, args, terminal);
  if (id !== undefined && first === 'cancel') {
    const query = { reason: args.text('reason'), force: args.flag('force') ? 'true' : undefined };
    await client.send({ method: 'POST', path: `/executions/${segment(id)}/cancel`, query });
    terminal.err.write(`Execution ${id} was asked to end.\n`);
    return EXIT.ok;
  }
  if (id !== undefined && first === 'retry') {
    const started = await client.send<OutcomeView>({
      method: 'POST',
      path: `/executions/${segment(id)}/retry`,
      query: { from: args.text('from') },
    });
    return await finish(client, started, args, terminal);
  }
  if (id !== undefined && first === 'replay') return await replay(client, id, args, terminal);
  const input = await readJsonInput(args.text('input') ?? 'null', terminal, {
    what: 'input',
    option: '--input',
  });
  const chosen = await chooseFunction(client, first, args.text('app'), 'workflow');
  const started = await client.send<OutcomeView>({
    method: 'POST',
    path: `/apps/${segment(chosen.app)}/workflows/${segment(chosen.name)}/executions`,
    query: { key: args.text('key'), priority: args.wholeNumber('priority', -100, 100) },
    headers: { 'content-type': 'application/json' },
    body: input,
  });
  return await finish(client, started, args, terminal);
}

/** Waits for the result, unless that is not wanted. */
async function finish(
  client: ApiClient,
  { id }: OutcomeView,
  args: Arguments,
  terminal: Terminal,
): Promise<ExitCode> {
  if (args.flag('detach')) {
    if (args.flag('json')) printJson(terminal.out, { id });
    else terminal.out.write(`${id}\n`);
    return EXIT.ok;
  }
  const outcome = await withProgress(terminal, `execution ${id}`, () =>
    client.send<OutcomeView>({
      method: 'GET',
      path: `/executions/${id}/result`,
      query: { wait: WAIT_S },
      patient: true,
    }),
  );
  if (args.flag('json')) printJson(terminal.out, outcome);
  else if (outcome.status === 'succeeded') printJson(terminal.out, await outputOf(client, id, outcome));
  if (outcome.status === 'succeeded') return EXIT.ok;
  const style = createStyle(terminal.err, terminal.env);
  const { error } = outcome;
  const what = error === undefined ? '' : `: ${visible(errorText(error))}`;
  terminal.err.write(`${style.red(outcome.status)}${what}\n  What it did: \`lambent run show ${id}\`\n`);
  return EXIT.functionFailed;
}

async function outputOf(client: ApiClient, id: string, outcome: OutcomeView): Promise<unknown> {
  const { output = null, largeOutput } = outcome;
  if (largeOutput === undefined) return output;
  return await client.send({ method: 'GET', path: `/executions/${id}/payloads/${largeOutput.blob}` });
}

interface ReplayView {
  readonly status: 'same' | 'differs';
  readonly deployment: number;
  readonly error?: StepError;
}

/** Says whether the code that is live now would have gone the way that an execution went. */
async function replay(client: ApiClient, id: string, args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const path = `/executions/${segment(id)}/replay`;
  const found = await client.send<ReplayView>({ method: 'POST', path, patient: true });
  const isSame = found.status === 'same';
  if (args.flag('json')) printJson(terminal.out, found);
  else if (isSame) terminal.out.write(`The code of d${found.deployment} goes the same way.\n`);
  else {
    const style = createStyle(terminal.err, terminal.env);
    const why = visible(found.error?.errorMessage ?? '');
    terminal.err.write(`${style.red(`The code of d${found.deployment} goes another way`)}: ${why}\n`);
  }
  return isSame ? EXIT.ok : EXIT.functionFailed;
}

async function graph(
  client: ApiClient,
  name: string,
  args: Arguments,
  terminal: Terminal,
): Promise<ExitCode> {
  const chosen = await chooseFunction(client, name, args.text('app'));
  const path = `/apps/${segment(chosen.app)}/workflows/${segment(chosen.name)}/graph`;
  const { mermaid, ...drawn } = await client.send<WorkflowGraph & { readonly mermaid: string }>({
    ...{ method: 'GET', path, query: { format: 'mermaid' } },
  });
  if (args.flag('json')) printJson(terminal.out, drawn);
  else terminal.out.write(mermaid);
  if (drawn.source === 'executions' && drawn.executions === 0)
    terminal.err.write(`Of code the graph is learnt from executions, and ${chosen.name} has none yet.\n`);
  return EXIT.ok;
}

async function show(client: ApiClient, id: string, args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const path = `/executions/${segment(id)}`;
  const execution = await client.send<ExecutionView>({ method: 'GET', path });
  if (args.flag('json')) {
    const history = await readAll<JournalEntry>(client, `${path}/history`);
    printJson(terminal.out, { execution, history });
    return EXIT.ok;
  }
  const steps = await readAll<ExecutionStep>(client, `${path}/steps`);
  const { error } = isOver(execution.status)
    ? await client.send<OutcomeView>({ method: 'GET', path: `${path}/result` })
    : {};
  terminal.out.write(executionTree(execution, steps, error, createStyle(terminal.out, terminal.env)));
  return EXIT.ok;
}

const isOver = (status: string): boolean => (FINAL_STATUSES as readonly string[]).includes(status);

async function readAll<Item>(client: ApiClient, path: string): Promise<Item[]> {
  const items: Item[] = [];
  for (let from: number | undefined = 0; from !== undefined; ) {
    const page: { items: Item[]; next?: number } = await client.send({
      method: 'GET',
      path,
      query: { from, limit: PAGE },
    });
    items.push(...page.items);
    from = page.next;
  }
  return items;
}
