import type { ReactNode } from 'react';
import type { ApiError } from '../api.ts';

export function Panel(props: {
  title: ReactNode;
  more?: ReactNode;
  className?: string;
  children: ReactNode;
}) {
  return (
    <section className={`panel ${props.className ?? ''}`}>
      <header>
        <h2>{props.title}</h2>
        {props.more}
      </header>
      {props.children}
    </section>
  );
}

/** Nothing is here yet: what it would be, and what to run to get it. */
export function Empty({ title, children, run }: { title: string; children?: ReactNode; run?: string }) {
  return (
    <div className="empty">
      <strong>{title}</strong>
      {children}
      {run === undefined ? null : <pre>{run}</pre>}
    </div>
  );
}

/** What went wrong and what to do, as the API said it. */
export function Problem({ error }: { error: ApiError | Error | null }) {
  if (error === null) return null;
  const { hint, code } = error as Partial<ApiError>;
  const [first, ...more] = error.message.split('\n');
  return (
    <div className="note bad" role="alert">
      <strong>{first}</strong>
      {more.length === 0 ? null : <pre className="box">{more.join('\n')}</pre>}
      {hint ? <p>{hint}</p> : null}
      {code ? <code className="soft">{code}</code> : null}
    </div>
  );
}

/** The frame of a list that is read: its error, that it is coming, that it is empty, or its rows. */
export function Loaded<Item>(props: {
  query: { data: { items: readonly Item[] } | undefined; error: ApiError | null };
  empty: ReactNode;
  children: (items: readonly Item[]) => ReactNode;
}) {
  const { data, error } = props.query;
  if (data === undefined) {
    return <div className="pad">{error ? <Problem error={error} /> : <p className="soft">Loading…</p>}</div>;
  }
  return <>{data.items.length === 0 ? props.empty : props.children(data.items)}</>;
}

/** `wide`: beside one another, each name above its value. */
export function Facts(props: {
  facts: readonly (readonly [string, ReactNode] | undefined)[];
  wide?: boolean;
}) {
  const { facts, wide = false } = props;
  return (
    <dl className={wide ? 'facts wide' : 'facts'}>
      {facts.map((fact) =>
        fact === undefined ? null : (
          <div key={fact[0]}>
            <dt>{fact[0]}</dt>
            <dd>{fact[1]}</dd>
          </div>
        ),
      )}
    </dl>
  );
}
