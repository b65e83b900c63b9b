import type { ExecutionStep } from '../answers.ts';
import { graphOfStates } from '../graph-of-states.ts';
import { graphOfSteps } from '../graph-of-steps.ts';
import { useLive } from '../query-client.ts';
import { pathOf } from '../route.tsx';
import { count } from '../show.ts';
import { Graph } from './graph.tsx';
import { Empty } from './panel.tsx';

/** An execution drawn: a state machine as it is defined, code as it went. Coloured by how each step stands. */
export function ExecutionGraph(props: {
  id: string;
  kind: 'code' | 'asl';
  steps: readonly ExecutionStep[];
  total: number;
  outcome: string | undefined;
  chosen: number | undefined;
}) {
  const { id, kind, steps, total, outcome, chosen } = props;
  const definition = useLive<'getExecutionDefinition'>(
    kind === 'asl' ? pathOf('executions', id, 'definition') : undefined,
    { once: true },
  ).data;
  const linkOf = (step: number): string => `${pathOf('executions', id)}?tab=graph&step=${step}`;
  const graph =
    definition === undefined
      ? graphOfSteps(steps, outcome, linkOf, chosen)
      : graphOfStates(definition, steps, outcome, linkOf, chosen);
  if (graph.nodes.length <= 1) return <Empty title="Nothing happened yet" />;
  return (
    <>
      {graph.left > 0 || total > steps.length ? (
        <p className="pad soft">
          The first {count(steps.length - graph.left)} of {count(total)} steps; the timeline has all of them.
        </p>
      ) : null}
      <Graph label="What the execution did" direction="TB" nodes={graph.nodes} edges={graph.edges} />
    </>
  );
}
