import type { Activity, Execution, InvocationRecord, Trigger } from '../answers.ts';
import { queryOf } from '../api.ts';
import { useLive } from '../query-client.ts';
import { Link, triggerPath } from '../route.tsx';
import { count, percent, plural } from '../show.ts';
import { Panel } from './panel.tsx';

/** Lines of one kind that are told one by one; the rest is counted. */
const TOLD = 4;
/** Among the newest failures a function's latest error is looked for, and failed executions are counted. */
const LOOKED_AT = 100;
const HOUR_MS = 3_600_000;

interface Trouble {
  readonly key: string;
  readonly look: 'bad' | 'warn';
  readonly what: string;
  readonly text: string;
  /** What it said itself. */
  readonly said?: string | undefined;
  /** Where it is looked into or mended. */
  readonly to: string;
}

/** What is wrong, the worst first, each line leading to where something can be done. Nothing is a line as well. */
export function Attention(props: { activity: Activity | undefined; triggers: readonly Trigger[] }) {
  const { activity, triggers } = props;
  const failing = failingOf(activity);
  const latest = useLive<'listInvocations'>(
    failing.length === 0 ? undefined : `/invocations${queryOf({ status: 'error', limit: LOOKED_AT })}`,
  ).data;
  const executions = useLive<'listExecutions'>(
    `/executions${queryOf({ status: 'failed', limit: LOOKED_AT })}`,
  ).data;
  if (activity === undefined) return null;
  const all = [
    ...troublesOf(triggers),
    ...failing.map((each) => functionTrouble(each, latest?.items ?? [])),
    ...executionTroubles(executions?.items ?? []),
    ...deadLetters(triggers),
    ...pausedOf(triggers),
  ];
  const told = all.filter(
    ({ key }, at) => all.slice(0, at).filter((each) => kindOf(each.key) === kindOf(key)).length < TOLD,
  );
  if (all.length === 0)
    return (
      <p className="all-well">
        <i className="state good" /> Nothing failed within the hour, and nothing waits for a person.
      </p>
    );
  return (
    <Panel
      title="What is wrong"
      more={
        <span className="soft">
          within the hour
          {told.length < all.length ? `; the worst ${told.length} of ${count(all.length)}` : ''}
        </span>
      }
    >
      <div className="troubles">
        {told.map(({ key, look, what, text, said, to }) => (
          <Link key={key} to={to} className="trouble">
            <i className={`state ${look}`} />
            <strong>{what}</strong>
            <span>{text}</span>
            <span className="mono soft" title={said}>
              {said}
            </span>
            <span className="soft" aria-hidden="true">
              ›
            </span>
          </Link>
        ))}
      </div>
    </Panel>
  );
}

const kindOf = (key: string): string | undefined => key.split(' ')[0];

interface Failing {
  readonly app: string;
  readonly name: string;
  readonly calls: number;
  readonly errors: number;
}

/** Functions some of whose calls failed, the most failures first. */
function failingOf(activity: Activity | undefined): Failing[] {
  const sums = new Map<string, Failing>();
  for (const { functions } of activity?.items ?? [])
    for (const { app, function: name, invocations, errors } of functions) {
      const { calls, errors: before } = sums.get(`${app}/${name}`) ?? { calls: 0, errors: 0 };
      sums.set(`${app}/${name}`, { app, name, calls: calls + invocations, errors: before + errors });
    }
  return [...sums.values()].filter(({ errors }) => errors > 0).sort((a, b) => b.errors - a.errors);
}

function functionTrouble(
  { app, name, calls, errors }: Failing,
  latest: readonly InvocationRecord[],
): Trouble {
  const error = latest.find((each) => each.app === app && each.function === name)?.error;
  return {
    ...{ key: `function ${app}/${name}`, look: 'bad', what: name },
    text: `${percent(errors, calls)} of ${plural(calls, 'call')} failed`,
    said: error === undefined ? undefined : `${error.errorType}: ${error.errorMessage}`,
    to: `/invocations${queryOf({ app, function: name, status: 'error' })}`,
  };
}

const troublesOf = (triggers: readonly Trigger[]): Trouble[] =>
  triggers.flatMap(({ id, trouble }): Trouble[] =>
    trouble === undefined
      ? []
      : [
          {
            key: `trigger ${id}`,
            look: 'bad',
            what: id,
            text: 'cannot deliver',
            said: trouble,
            to: triggerPath(id),
          },
        ],
  );

function executionTroubles(failed: readonly Execution[]): Trouble[] {
  const since = Date.now() - HOUR_MS;
  const recent = failed.filter(({ endedMs = 0 }) => endedMs >= since);
  return [...Map.groupBy(recent, ({ app, workflow }) => `${app}/${workflow}`)].map(
    ([id, [first, ...rest]]): Trouble => {
      const { app, workflow } = first!;
      const number = rest.length + 1;
      return {
        ...{ key: `execution ${id}`, look: 'bad', what: workflow },
        text: `${number === LOOKED_AT ? 'at least ' : ''}${plural(number, 'execution')} failed`,
        to: `/executions${queryOf({ app, workflow, status: 'failed' })}`,
      };
    },
  );
}

/** All in one line: where they are many, they are redriven together. */
function deadLetters(triggers: readonly Trigger[]): Trouble[] {
  const having = triggers.filter(({ dead }) => dead > 0);
  const sum = having.reduce((total, { dead }) => total + dead, 0);
  if (sum === 0) return [];
  const [only] = having;
  return [
    {
      ...{ key: 'dead', look: 'bad', what: plural(sum, 'dead letter') },
      text: having.length === 1 ? `of ${only!.id}` : `of ${plural(having.length, 'trigger')}`,
      to: '/events?tab=dead',
    },
  ];
}

const pausedOf = (triggers: readonly Trigger[]): Trouble[] =>
  triggers
    .filter(({ paused }) => paused)
    .map(({ id, owed }) => ({
      ...{ key: `paused ${id}`, look: 'warn', what: id, to: triggerPath(id) },
      text: owed === 0 ? 'is paused' : `is paused, ${plural(owed, 'event')} wait`,
    }));
