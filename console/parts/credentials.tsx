import { type FormEvent, useState } from 'react';
import type { AccessKey, NewAccessKey, NewToken, Token } from '../answers.ts';
import { call } from '../api.ts';
import { refreshAll, useAll } from '../query-client.ts';
import { pathOf } from '../route.tsx';
import { dateAndClock, exact } from '../show.ts';
import { ActButton } from './ask.tsx';
import { Empty, Loaded, Panel, Problem } from './panel.tsx';
import { Scroll } from './scroll.tsx';

/** What lets programs and people in, by name: tokens of the control API, access keys of AWS' clients. */
export function Credentials(props: {
  title: string;
  note: string;
  /** `token` or `access key`. */
  noun: string;
  path: string;
  empty: string;
  /** What happens to who uses one that is deleted. */
  loss: string;
  /** Members of the answer that holds a new one, with how they are called. */
  shown: readonly (readonly [member: keyof NewToken | keyof NewAccessKey, title: string])[];
}) {
  const { title, note, noun, path, empty, loss } = props;
  const all = useAll<'listTokens' | 'listAccessKeys'>(path);
  return (
    <Panel title={title} className="half" more={<span className="soft">{note}</span>}>
      <Loaded<AccessKey | Token>
        query={all}
        empty={
          <Empty title={`No ${noun}s`} run={`npx lambent ${path.slice(1)} create ci`}>
            {empty}
          </Empty>
        }
      >
        {(items) => (
          <Scroll>
            <table className="cards">
              <tbody>
                {items.map(({ name, createdMs, ...rest }) => (
                  <tr key={name}>
                    <td className="title">
                      <strong>{name}</strong>
                      {'accessKeyId' in rest ? <div className="under mono">{rest.accessKeyId}</div> : null}
                    </td>
                    <td className="soft nowrap" title={exact(createdMs)}>
                      since {dateAndClock(createdMs)}
                    </td>
                    <td className="num right">
                      <ActButton
                        small
                        danger
                        text="Delete"
                        done={`${name} is useless now.`}
                        ask={
                          <p>
                            Whoever uses the {noun} {name}
                            {loss} is refused at once.
                          </p>
                        }
                        act={() => call('DELETE', `${path}${pathOf(name)}`)}
                      />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
      </Loaded>
      <NewCredential noun={noun} path={path} shown={props.shown} />
    </Panel>
  );
}

function NewCredential(props: {
  noun: string;
  path: string;
  shown: readonly (readonly [member: keyof NewToken | keyof NewAccessKey, title: string])[];
}) {
  const { noun, path, shown } = props;
  const [name, setName] = useState('');
  const [made, setMade] = useState<Partial<NewToken & NewAccessKey> | undefined>();
  const [error, setError] = useState<Error | null>(null);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setError(null);
    try {
      setMade(await call<'createToken' | 'createAccessKey'>('POST', path, { json: { name } }));
      setName('');
      await refreshAll();
    } catch (thrown) {
      setError(thrown as Error);
    }
  };
  return (
    <div className="pad payload">
      <form className="row" onSubmit={(event) => void submit(event)}>
        <input
          className="field grow"
          aria-label={`Name of the new ${noun}`}
          placeholder="Name, as ci"
          required
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <button type="submit" className="btn">
          {/^[aeiou]/.test(noun) ? 'Make an' : 'Make a'} {noun}
        </button>
      </form>
      <Problem error={error} />
      {made === undefined ? null : (
        <div className="note good">
          <strong>{made.name}</strong>: keep it now, it is not shown again.
          {shown.map(([member, title]) => (
            <output
              key={member}
              className="mono"
              style={{ display: 'block', overflowWrap: 'anywhere' }}
              aria-label={title}
            >
              {made[member]}
            </output>
          ))}
        </div>
      )}
    </div>
  );
}
