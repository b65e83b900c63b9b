import type { AppName } from '../model/function.ts';
import type { JournalEntry } from '../model/journal.ts';
import type { JournalStore } from '../ports/journal-store.ts';
import type { WorkflowTarget } from '../ports/workflow-catalog.ts';
import type { WorkflowGraph } from '../ports/workflow-graph.ts';
import { definitionGraph } from './asl/definition-graph.ts';
import { CodeSteps } from './code-steps.ts';
import { LearntGraph } from './learnt-graph.ts';

/** The latest executions that a graph is learnt from, and the first entries of each. */
const EXECUTIONS_MAX = 20;
const ENTRIES_MAX = 1_000;

export interface GraphParts {
  readonly store: Pick<JournalStore, 'list' | 'history'>;
  deployedDefinition(target: WorkflowTarget): Promise<string | undefined>;
}

/** What follows what in a workflow that is live. */
export async function workflowGraph(parts: GraphParts, target: WorkflowTarget): Promise<WorkflowGraph> {
  const text = target.kind === 'asl' ? await parts.deployedDefinition(target) : undefined;
  if (text !== undefined) return definitionGraph(JSON.parse(text) as object);
  return await learnGraph(parts.store, target.app, target.workflow);
}

async function learnGraph(
  store: GraphParts['store'],
  app: AppName,
  workflow: string,
): Promise<WorkflowGraph> {
  const learnt = new LearntGraph();
  for (const { id, kind } of await store.list({ app, workflow, limit: EXECUTIONS_MAX }))
    if (kind === 'code') addHistory(learnt, await store.history(id, 0, ENTRIES_MAX));
  return learnt.graph();
}

function addHistory(learnt: LearntGraph, entries: readonly JournalEntry[]): void {
  const fold = new CodeSteps();
  for (const [place, entry] of entries.entries()) fold.take(entry, place);
  const last = entries.at(-1);
  learnt.add(fold.steps, last?.kind === 'ended' ? last.outcome.status : undefined);
}
