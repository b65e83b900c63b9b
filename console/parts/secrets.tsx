import { type FormEvent, useState } from 'react';
import { call } from '../api.ts';
import { refreshAll, useLive } from '../query-client.ts';
import { pathOf } from '../route.tsx';
import { dateAndClock, exact } from '../show.ts';
import { ActButton } from './ask.tsx';
import { Empty, Loaded, Panel, Problem } from './panel.tsx';
import { Scroll } from './scroll.tsx';
import { toast } from './toast.tsx';

/** Names of secrets, which can be set and deleted; nothing gives a value back. */
export function Secrets() {
  const secrets = useLive<'listSecrets'>('/secrets');
  return (
    <Panel
      title="Secrets"
      className="half"
      more={<span className="soft">values are written, never read</span>}
    >
      <Loaded
        query={secrets}
        empty={<Empty title="No secrets">A function gets those that the manifest names for it.</Empty>}
      >
        {(items) => (
          <Scroll>
            <table className="cards">
              <tbody>
                {items.map(({ app, name, updatedMs }) => (
                  <tr key={`${app}/${name}`}>
                    <td className="title">
                      <strong>{name}</strong> <span className="soft">{app}</span>
                    </td>
                    <td className="soft nowrap" title={exact(updatedMs)}>
                      set {dateAndClock(updatedMs)}
                    </td>
                    <td className="num right">
                      <ActButton
                        small
                        danger
                        text="Delete"
                        done={`${name} is gone.`}
                        ask={
                          <p>
                            Functions of {app} that name {name} cannot start until it is set again.
                          </p>
                        }
                        act={() => call('DELETE', pathOf('apps', app, 'secrets', name))}
                      />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
      </Loaded>
      <SetSecret />
    </Panel>
  );
}

function SetSecret() {
  const apps = useLive<'listApps'>('/apps').data?.items ?? [];
  const [app, setApp] = useState('');
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const [error, setError] = useState<Error | null>(null);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setError(null);
    try {
      await call('PUT', pathOf('apps', app || (apps[0]?.app ?? ''), 'secrets', name), { json: { value } });
      toast(`${name} is set; functions that name it get new instances.`);
      setValue('');
      await refreshAll();
    } catch (thrown) {
      setError(thrown as Error);
    }
  };
  return (
    <form className="pad row" onSubmit={(event) => void submit(event)}>
      <select
        className="field"
        aria-label="App of the secret"
        value={app}
        onChange={(event) => setApp(event.target.value)}
      >
        {apps.map((each) => (
          <option key={each.app}>{each.app}</option>
        ))}
      </select>
      <input
        className="field"
        aria-label="Name of the secret"
        placeholder="DATABASE_URL"
        required
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <input
        className="field grow"
        type="password"
        autoComplete="off"
        aria-label="Value of the secret"
        placeholder="Value"
        required
        value={value}
        onChange={(event) => setValue(event.target.value)}
      />
      <button type="submit" className="btn" disabled={apps.length === 0}>
        Set
      </button>
      <Problem error={error} />
    </form>
  );
}
