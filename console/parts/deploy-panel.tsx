import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { BuildLine, DeployPlan } from '../../src/ports/deployer.ts';
import { queryOf, upload } from '../api.ts';
import { DeployAnswer, type Deployed } from '../deploy-answer.ts';
import { type PackedApp, type Packing, packChosen, takeArchive } from '../pack-folder.ts';
import { refreshAll, useAll } from '../query-client.ts';
import { Link, pathOf, setQuery } from '../route.tsx';
import { bytes, elapsed, percent, plural } from '../show.ts';
import { Panel, Problem } from './panel.tsx';

/** A plan is asked for once nobody has changed the weight for this long, in milliseconds: it sends the whole app. */
const PLAN_AFTER_MS = 400;
/** As long as the API takes. */
const NOTE_CHARS_MAX = 500;

interface UnderWay {
  readonly app: PackedApp;
  /** From 0 to 1. */
  readonly sent: number;
  readonly lines: readonly BuildLine[];
  readonly error?: Error;
}

type State =
  | { readonly kind: 'choosing'; readonly busy?: string }
  | { readonly kind: 'planned'; readonly app: PackedApp }
  | ({ readonly kind: 'deploying' | 'failed' } & UnderWay)
  | { readonly kind: 'done'; readonly lines: readonly BuildLine[]; readonly result: Deployed };

/** Deploys a folder or an archive: what it would do is shown first, then the build as it goes on, then where it answers. */
export function DeployPanel({ dropped }: { dropped: Packing | undefined }) {
  const [state, setState] = useState<State>({ kind: 'choosing' });
  const [error, setError] = useState<Error | null>(null);
  const take = async (packing: Packing): Promise<void> => {
    setError(null);
    setState({ kind: 'choosing', busy: 'Packing…' });
    try {
      setState({ kind: 'planned', app: await packing() });
    } catch (thrown) {
      setState({ kind: 'choosing' });
      setError(thrown as Error);
    }
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was dropped is taken once
  useEffect(() => {
    if (dropped !== undefined) void take(dropped);
  }, [dropped]);
  return (
    <Panel
      title="Deploy an app"
      more={
        <>
          <span className="grow" />
          <button type="button" className="btn small" onClick={() => setQuery({ deploy: undefined })}>
            Close
          </button>
        </>
      }
    >
      <div className="pad stack-wide">
        <Problem error={error} />
        {state.kind === 'choosing' ? (
          <Choose busy={state.busy} onTake={(packing) => void take(packing)} />
        ) : state.kind === 'planned' ? (
          <Planned app={state.app} onState={setState} />
        ) : state.kind === 'done' ? (
          <Done {...state} onAgain={() => setState({ kind: 'choosing' })} />
        ) : (
          <Progress state={state} onBack={() => setState({ kind: 'planned', app: state.app })} />
        )}
      </div>
    </Panel>
  );
}

function Choose({ busy, onTake }: { busy: string | undefined; onTake(packing: Packing): void }) {
  const folder = useRef<HTMLInputElement>(null);
  const archive = useRef<HTMLInputElement>(null);
  if (busy !== undefined)
    return (
      <p className="soft" role="status">
        {busy}
      </p>
    );
  const filesOf = (input: HTMLInputElement): readonly File[] => [...(input.files ?? [])];
  return (
    <div className="drop">
      <strong>Drop the folder of an app here, or its .tar.gz</strong>
      <span className="soft">
        node_modules and what .lambentignore names stay here. Nothing is built before you have seen the plan.
      </span>
      <div className="row">
        <button type="button" className="btn main" onClick={() => folder.current?.click()}>
          Choose a folder
        </button>
        <button type="button" className="btn" onClick={() => archive.current?.click()}>
          Choose an archive
        </button>
      </div>
      <input
        ref={folder}
        type="file"
        hidden
        aria-label="Folder of the app"
        {...{ webkitdirectory: '' }}
        onChange={({ target }) => {
          const files = filesOf(target);
          onTake(() => packChosen(files));
        }}
      />
      <input
        ref={archive}
        type="file"
        hidden
        aria-label="Archive of the app"
        accept=".tgz,.tar.gz,application/gzip"
        onChange={({ target }) => {
          const [file] = filesOf(target);
          if (file !== undefined) onTake(async () => takeArchive(file));
        }}
      />
    </div>
  );
}

/** What it would do, and how it shall be done. */
function Planned({ app, onState }: { app: PackedApp; onState(state: State): void }) {
  const [note, setNote] = useState('');
  const [weight, setWeight] = useState('100');
  const share = Number(weight);
  const isShare = weight !== '' && Number.isInteger(share) && share >= 0 && share <= 100;
  const { plan, error } = usePlan(app, isShare ? weight : undefined);
  const live = useLiveNumbers(plan?.app);
  return (
    <>
      <div>
        <strong>{app.name}</strong>{' '}
        <span className="soft">
          {app.files === undefined ? '' : `${plural(app.files.count, 'file')}, ${bytes(app.files.bytes)}, `}
          {bytes(app.body.size)} to send
        </span>
      </div>
      {error !== null ? (
        <Problem error={error} />
      ) : plan === undefined ? (
        <p className="soft">Reading it…</p>
      ) : (
        <Plan plan={plan} />
      )}
      <div className="row">
        <label className="stack">
          Percent of the requests
          <input
            className="field"
            type="number"
            min="0"
            max="100"
            value={weight}
            onChange={(event) => setWeight(event.target.value)}
          />
        </label>
        <label className="stack grow">
          Note
          <input
            className="field"
            maxLength={NOTE_CHARS_MAX}
            placeholder="such as a commit"
            value={note}
            onChange={(event) => setNote(event.target.value)}
          />
        </label>
      </div>
      <p className="soft">{weightText(isShare ? share : undefined, live)}</p>
      <div className="row">
        <button
          type="button"
          className="btn main"
          disabled={plan === undefined || !isShare}
          onClick={() => void deploy(app, { note, weight }, onState)}
        >
          Deploy {plan?.app ?? ''}
        </button>
        <button type="button" className="btn" onClick={() => onState({ kind: 'choosing' })}>
          Choose another
        </button>
      </div>
    </>
  );
}

/** What serves the app now: `d3`, `d3 and d4`; `undefined`: nothing does. */
function useLiveNumbers(app: string | undefined): string | undefined {
  const apps = useAll<'listApps'>('/apps').data;
  const traffic = apps?.items.find((each) => each.app === app)?.traffic ?? [];
  return traffic.length === 0 ? undefined : traffic.map(({ number }) => `d${number}`).join(' and ');
}

function weightText(share: number | undefined, live: string | undefined): string {
  if (share === undefined) return 'A whole number from 0 to 100.';
  if (share === 0)
    return 'It serves no request: it answers at its preview address alone, until somebody makes it live.';
  if (live === undefined) return 'The app is new here: it serves its requests as soon as it is built.';
  return share === 100
    ? `It takes the place of ${live} as soon as it is built. Requests that run finish on what they began with.`
    : `It gets ${share} % of the requests, ${live} the rest.`;
}

/** `weight` undefined: there is none to ask with, and what was found stays. */
function usePlan(
  app: PackedApp,
  weight: string | undefined,
): { plan: DeployPlan | undefined; error: Error | null } {
  const [found, setFound] = useState<{ plan: DeployPlan | undefined; error: Error | null }>({
    plan: undefined,
    error: null,
  });
  useEffect(() => {
    if (weight === undefined) return undefined;
    let isWanted = true;
    // Nothing is deployed by the plan of another weight.
    setFound({ plan: undefined, error: null });
    const timer = setTimeout(async () => {
      try {
        const text = await upload(`/deployments/plan${queryOf({ weight })}`, app.body);
        if (isWanted) setFound({ plan: JSON.parse(text) as DeployPlan, error: null });
      } catch (thrown) {
        if (isWanted) setFound({ plan: undefined, error: thrown as Error });
      }
    }, PLAN_AFTER_MS);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [app, weight]);
  return found;
}

function Plan({ plan: { app, functions, changes } }: { plan: DeployPlan }) {
  if (changes.length === 0)
    return (
      <div className="note">
        <strong>{app}</strong> has {plural(functions, 'function')}. Deploying it makes and drops nothing
        outside of Lambent.
      </div>
    );
  return (
    <div className="note warn plan">
      <strong>{app}</strong> has {plural(functions, 'function')}. As soon as it is live, it does this outside
      of Lambent:
      {changes.map(({ trigger, kind, place, statements }) => (
        <div key={`${trigger} ${kind} ${place}`}>
          {kind}s in <strong>{place}</strong>, for {trigger}
          <pre className="box">{statements.map((each) => `${each};\n`).join('')}</pre>
        </div>
      ))}
      {changes.some(({ statements }) => statements.some((each) => each.includes('XXXXXXXX'))) ? (
        <p>XXXXXXXX stands for eight digits that are drawn by lot when it is made.</p>
      ) : null}
    </div>
  );
}

async function deploy(
  app: PackedApp,
  query: { note: string; weight: string },
  onState: (state: State) => void,
): Promise<void> {
  let at: UnderWay = { app, sent: 0, lines: [] };
  const set = (changes: Partial<UnderWay>): void => {
    at = { ...at, ...changes };
    onState({ kind: 'deploying', ...at });
  };
  const answer = new DeployAnswer();
  const take = (text: string): void => {
    answer.take(text);
    set({ sent: 1, lines: answer.lines });
  };
  set({});
  try {
    take(
      await upload(`/deployments${queryOf(query)}`, app.body, {
        onSent: (sent) => set({ sent }),
        onText: take,
      }),
    );
    onState({ kind: 'done', lines: answer.lines, result: answer.result() });
    await refreshAll();
  } catch (thrown) {
    onState({ kind: 'failed', ...at, error: thrown as Error });
  }
}

function Progress(props: { state: { kind: 'deploying' | 'failed' } & UnderWay; onBack(): void }) {
  const { kind, sent, lines, error = null } = props.state;
  return (
    <>
      {kind === 'failed' ? null : (
        <div className="row" role="status">
          <progress aria-label="Sent" max={1} value={sent} />
          <span className="soft">{sent < 1 ? `${percent(sent, 1)} sent` : 'It is being built…'}</span>
        </div>
      )}
      <BuildLines lines={lines} />
      <Problem error={error} />
      {kind === 'failed' ? (
        <div className="row">
          <span className="soft">What was live is live still.</span>
          <button type="button" className="btn" onClick={props.onBack}>
            Back to the plan
          </button>
        </div>
      ) : null}
    </>
  );
}

function BuildLines({ lines }: { lines: readonly BuildLine[] }): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const { length } = lines;
  // biome-ignore lint/correctness/useExhaustiveDependencies: with each line its end is shown
  useEffect(() => {
    box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [length]);
  if (length === 0) return null;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <div className="logs build" role="log" aria-label="Build" tabIndex={0} ref={box}>
      {lines.map(({ step, text }, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line is its place
        <div className="line" key={at}>
          <span className="soft">{step}</span>
          <span className={step === 'warn' || step === 'skip' ? 'warn' : ''}>{text}</span>
        </div>
      ))}
    </div>
  );
}

function Done(props: { lines: readonly BuildLine[]; result: Deployed; onAgain(): void }) {
  const { deployment, live, preview, tookMs } = props.result;
  const { app, number, functions } = deployment;
  const weight = live.traffic.find((share) => share.number === number)?.weight ?? 0;
  return (
    <>
      <div className="note good" role="status">
        <strong>
          {app} d{number}
        </strong>{' '}
        with {plural(functions.length, 'function')} was deployed in {elapsed(tookMs)}.{' '}
        {weight === 100
          ? 'It is live.'
          : weight > 0
            ? `It gets ${weight} % of the traffic.`
            : 'It gets no traffic: only its preview address serves it.'}
        <p>
          Preview, always this deployment:{' '}
          {preview.url === undefined ? (
            <>
              this server with the header <code>Host: {preview.host}</code>
            </>
          ) : (
            <a className="link" href={preview.url} target="_blank" rel="noreferrer">
              {preview.url}
            </a>
          )}
        </p>
      </div>
      <BuildLines lines={props.lines} />
      <div className="row">
        <Link className="btn main" to={pathOf('deployments', app, number)}>
          What changed
        </Link>
        <button type="button" className="btn" onClick={props.onAgain}>
          Deploy another
        </button>
      </div>
    </>
  );
}
