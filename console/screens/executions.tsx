import { useInfiniteQuery } from '@tanstack/react-query';
import type { Answers, Execution } from '../answers.ts';
import { type ApiError, get, queryOf } from '../api.ts';
import { Badge } from '../parts/badge.tsx';
import { ExecutionView } from '../parts/execution-view.tsx';
import { Choice, FunctionChoice } from '../parts/filters.tsx';
import { Empty, Loaded } from '../parts/panel.tsx';
import { AnswerCallback, StartExecution } from '../parts/steer-execution.tsx';
import { VirtualList } from '../parts/virtual-list.tsx';
import { pathOf, setQuery, useRoute } from '../route.tsx';
import { count, dateAndClock, elapsed, exact } from '../show.ts';

const PAGE = 200;
const STATUSES = [
  'queued',
  'ready',
  'running',
  'waiting',
  'succeeded',
  'failed',
  'cancelled',
  'timedOut',
  'continued',
];

export function Executions() {
  const id = useRoute().parts[1];
  return id === undefined ? <ExecutionList /> : <ExecutionView key={id} id={id} />;
}

function ExecutionList() {
  const { status, app, workflow, parent } = useRoute().query;
  const filter = { status, app, workflow, parent };
  const pages = useInfiniteQuery<Answers['listExecutions'], ApiError>({
    queryKey: ['/executions', filter],
    initialPageParam: undefined,
    queryFn: ({ pageParam, signal }) =>
      get<'listExecutions'>(
        `/executions${queryOf({ ...filter, limit: PAGE, before: pageParam as string | undefined })}`,
        signal,
      ),
    getNextPageParam: (last) => last.next,
    placeholderData: (before) => before,
  });
  const items = pages.data?.pages.flatMap((page) => page.items);
  return (
    <>
      <div className="head">
        <h1>Executions</h1>
        <span className="grow" />
        {app === undefined || workflow === undefined ? null : (
          <StartExecution key={`${app}/${workflow}`} app={app} workflow={workflow} />
        )}
        <AnswerCallback />
      </div>
      <Filters />
      <section className="panel">
        <Loaded
          query={{ data: items && { items }, error: pages.error }}
          empty={
            Object.values(filter).some(Boolean) ? (
              <Empty title="No execution fits">Change the filter, or start one.</Empty>
            ) : (
              <Empty title="No executions" run="npx lambent run WORKFLOW --input '{}'">
                A workflow's runs are listed here as they begin.
              </Empty>
            )
          }
        >
          {(found) => (
            <ExecutionRows
              items={found}
              onEnd={() => pages.hasNextPage && !pages.isFetching && void pages.fetchNextPage()}
            />
          )}
        </Loaded>
      </section>
    </>
  );
}

function Filters() {
  const { query } = useRoute();
  return (
    <div className="filters">
      <FunctionChoice
        label="Workflow"
        name="workflow"
        any="every workflow"
        fits={({ config }) => config.workflow === true}
      />
      <Choice label="Status" name="status" any="every status" values={STATUSES} />
      {query.parent === undefined ? null : (
        <button type="button" className="btn" onClick={() => setQuery({ parent: undefined })}>
          Of every parent
        </button>
      )}
    </div>
  );
}

function ExecutionRows({ items, onEnd }: { items: readonly Execution[]; onEnd(): void }) {
  return (
    <VirtualList
      label="Executions"
      columns="cols-executions"
      heads={['Status', 'Workflow', 'Began', 'Took', 'Entries', 'Id']}
      items={items}
      onEnd={onEnd}
      row={(each) => ({
        key: each.id,
        to: pathOf('executions', each.id),
        cells: [
          <Badge key="status" status={each.status} />,
          <span key="workflow">
            <strong>{each.workflow}</strong> <span className="soft">{each.app}</span>
          </span>,
          <span key="began" className="soft" title={exact(each.createdMs)}>
            {dateAndClock(each.createdMs)}
          </span>,
          elapsed((each.endedMs ?? Date.now()) - each.createdMs),
          count(each.entries),
          <span key="id" className="mono soft">
            {each.id}
          </span>,
        ],
      })}
    />
  );
}
