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
