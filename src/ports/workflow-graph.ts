import type { StepError, StepStatus } from './execution-steps.ts';

/**
 * What follows what in a workflow, for people and for whoever draws it. A state machine has it from its definition; of
 * durable code nobody has drawn it, so it is learnt from what the latest executions did.
 */
export interface WorkflowGraph {
  readonly source: 'definition' | 'executions';
  /** How many executions it was learnt from; 0 of a definition. */
  readonly executions: number;
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  /** Places that are left out, because there are more of them than a drawing can take. */
  readonly left: number;
}

export interface GraphNode {
  /** `start`, `end STATUS`, or a path: steps of one name within one other are one place, so that a loop is a loop. */
  readonly id: string;
  /**
   * As of an execution's steps: `step`, `call`, `scope`, …; of states their `Type`; also `start` and `end`, and
   * `branch`: one of the branches of a parallel in code. Items of a map are one place, with the count of all.
   */
  readonly kind: string;
  readonly label: string;
  /** The place within which it is: a parallel, a map. */
  readonly parent?: string;
  /** How often executions came here; absent in a definition. */
  readonly count?: number;
}

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /** When it is taken: the condition of a Choice, the errors of a Catch. */
  readonly label?: string;
  /** How often executions went this way; absent in a definition. */
  readonly count?: number;
}

/** Items of one map that are named one by one; all are counted. */
export const GRAPH_ITEMS_MAX = 200;

/**
 * The graph of one execution: of a state machine its definition, of code what it did so far, and how each place
 * stands. However long the history is, the graph has at most as many places as any other.
 */
export interface ExecutionGraph extends Omit<WorkflowGraph, 'nodes' | 'executions'> {
  readonly nodes: readonly (GraphNode & { readonly state?: PlaceState })[];
}

/** The steps of an execution that came by at a place, taken together. */
export interface PlaceState {
  /** Of the step that matters most: what runs before what waits, then what failed. */
  readonly status: StepStatus;
  /** That step: the latest of its status. */
  readonly step: number;
  /** Steps by status. */
  readonly counts: Readonly<Partial<Record<StepStatus, number>>>;
  /** Attempts after the first of a step. */
  readonly retries: number;
  readonly fromMs: number;
  /** When the last one ended; absent while one goes on. */
  readonly toMs?: number;
  /** How long the longest step took that has ended. */
  readonly longestMs?: number;
  /** When something here goes on by itself next. */
  readonly dueMs?: number;
  readonly error?: StepError;
  /** Of a map: what it was given one by one. */
  readonly items?: PlaceItems;
}

export interface PlaceItems {
  /** The step that is the map; of several, the latest. */
  readonly map: number;
  readonly total: number;
  readonly counts: Readonly<Partial<Record<StepStatus, number>>>;
  /** At most `GRAPH_ITEMS_MAX`: those that run, wait or failed before those that are done with. */
  readonly named: readonly { readonly item: number; readonly status: StepStatus }[];
}

/** One item of a map: the graph then tells of it alone within that map. */
export interface GraphItem {
  readonly map: number;
  readonly item: number;
}
