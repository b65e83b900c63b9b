import { Suspense, useCallback, useEffect, useState } from 'react';
import type { Answers } from './answers.ts';
import { ApiError } from './api.ts';
import { useConnection } from './connection.ts';
import { useKeys } from './keys.ts';
import { Icon } from './parts/icon.tsx';
import { Help, Palette } from './parts/palette.tsx';
import { Problem } from './parts/panel.tsx';
import { Toast } from './parts/toast.tsx';
import { follow } from './live.ts';
import { useAll, useLive } from './query-client.ts';
import { Link, useRoute } from './route.tsx';
import { SCREENS } from './screens.ts';
import { clock, plural, span } from './show.ts';
import { SignIn, SignOutButton } from './sign-in.tsx';
import { applyTheme, otherTheme } from './theme.ts';

/** Asks who the person is before it asks anything else; without an answer there is only the way in. */
export function App() {
  const session = useLive<'getSession'>('/session', { everyMs: 15_000 });
  const { error, data } = session;
  if (error instanceof ApiError && (error.status === 401 || error.status === 429)) return <SignIn />;
  if (data === undefined) {
    return (
      <main className="content">
        {error === null ? <p className="soft">Connecting…</p> : <Problem error={error} />}
      </main>
    );
  }
  return <Shell session={data} />;
}

function Shell({ session }: { session: Answers['getSession'] }) {
  const { parts } = useRoute();
  const [open, setOpen] = useState<'palette' | 'help' | 'menu' | undefined>();
  const close = useCallback(() => setOpen(undefined), []);
  const screen = SCREENS.find(({ name }) => name === (parts[0] ?? 'overview'));
  useKeys(setOpen);
  useEffect(follow, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu of a phone closes when another place is opened
  useEffect(() => {
    close();
    document.title = `${screen?.title ?? 'Not found'}${parts.length > 1 ? ` ${parts.at(-1)}` : ''} · Lambent`;
  }, [parts]);
  return (
    <div className="shell">
      <button type="button" className="skip" onClick={skipToMain}>
        Skip to the content
      </button>
      <Side isOpen={open === 'menu'} present={screen?.name} session={session} />
      <div className="grow">
        <header className="top">
          <button
            type="button"
            className="btn icon menu"
            aria-label="Menu"
            aria-expanded={open === 'menu'}
            onClick={() => setOpen(open === 'menu' ? undefined : 'menu')}
          >
            <Icon name="menu" />
          </button>
          <button type="button" className="find" onClick={() => setOpen('palette')}>
            <Icon name="find" />
            Go to… <kbd className="long">Ctrl K</kbd>
          </button>
          <span className="grow" />
          <ConnectionState />
          <button type="button" className="btn icon" aria-label="Keys" onClick={() => setOpen('help')}>
            ?
          </button>
          <button
            type="button"
            className="btn icon"
            aria-label="Light or dark"
            onClick={() => applyTheme(otherTheme())}
          >
            <Icon name="theme" />
          </button>
        </header>
        <main className="content" id="main" tabIndex={-1}>
          <Suspense fallback={<p className="soft">Loading…</p>}>
            {screen === undefined ? <NotFound /> : <screen.show key={parts.join('/')} />}
          </Suspense>
        </main>
      </div>
      {open === 'palette' ? <Palette onClose={close} /> : null}
      {open === 'help' ? <Help onClose={close} /> : null}
      <Toast />
    </div>
  );
}

function skipToMain(): void {
  document.getElementById('main')?.focus();
}

function Side(props: { isOpen: boolean; present: string | undefined; session: Answers['getSession'] }) {
  const health = useLive<'getHealth'>('/health', { everyMs: 10_000 }).data;
  const instances = useAll<'listInstances'>('/instances').data?.items.length;
  return (
    <nav aria-label="Console" className={`side ${props.isOpen ? 'open' : ''}`}>
      <Link to="/overview" className="brand">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="8" fill="#e8590c" />
          <path
            d="M12 6v16a3 3 0 0 0 3 3h7"
            fill="none"
            stroke="#fff"
            strokeWidth="4"
            strokeLinecap="round"
          />
        </svg>
        Lambent
      </Link>
      {SCREENS.map(({ name, title }) => (
        <Link
          key={name}
          to={`/${name}`}
          className="item"
          aria-current={name === props.present ? 'page' : undefined}
        >
          <Icon name={name} />
          {title}
        </Link>
      ))}

      <div className="foot">
        {health === undefined ? null : (
          <span>
            {instances === undefined ? '' : `${plural(instances, 'instance')}, `}
            {health.mode} {health.version}, up {span(health.uptimeMs)}
          </span>
        )}
        {props.session.cookie ? <SignOutButton name={props.session.name} /> : null}
      </div>
    </nav>
  );
}

/** Whether what is shown is current. */
function ConnectionState() {
  const { status, answeredMs } = useConnection();
  if (status === 'live')
    return (
      <span className="badge dot good pulse" role="status">
        Live
      </span>
    );
  if (status === 'connecting')
    return (
      <span className="badge dot" role="status">
        Connecting
      </span>
    );
  if (status === 'behind')
    return (
      <span
        className="badge dot warn pulse"
        role="status"
        title="More has happened than this page has read by now"
      >
        Behind, catching up
      </span>
    );
  return (
    <span className="badge dot bad" role="status">
      No answer{answeredMs === 0 ? '' : `: as of ${clock(answeredMs)}`}
    </span>
  );
}

function NotFound() {
  return (
    <>
      <h1>There is no such screen</h1>
      <p>
        Back to the{' '}
        <Link to="/overview" className="link">
          overview
        </Link>
        .
      </p>
    </>
  );
}
