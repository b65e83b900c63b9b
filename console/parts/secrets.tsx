import { useState } from 'react';
import type { Answers } from '../answers.ts';
import { call } from '../api.ts';
import { useAll } from '../query-client.ts';
import { pathOf } from '../route.tsx';
import { dateAndClock, exact } from '../show.ts';
import { ActButton } from './ask.tsx';
import { Empty, Loaded, Panel } from './panel.tsx';
import { Scroll } from './scroll.tsx';

type Secret = Answers['listSecrets']['items'][number];

/** Names of secrets, which can be set and deleted; nothing gives a value back. */
export function Secrets() {
  const secrets = useAll<'listSecrets'>('/secrets');
  return (
    <Panel
      title="Secrets"
      className="half"
      more={<span className="soft">values are written, never read</span>}
    >
      <Loaded
        query={secrets}
        empty={
          <Empty title="No secrets" run="npx lambent secrets set my-app API_KEY --env API_KEY">
            A function gets those that the manifest names for it.
          </Empty>
        }
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
      <SetSecret known={secrets.data?.items ?? []} />
    </Panel>
  );
}

function SetSecret({ known }: { known: readonly Secret[] }) {
  const apps = useAll<'listApps'>('/apps').data?.items ?? [];
  const [chosen, setApp] = useState('');
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const app = chosen || (apps[0]?.app ?? '');
  const isReplaced = known.some((each) => each.app === app && each.name === name);
  return (
    <div className="pad row">
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
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <input
        className="field grow"
        type="password"
        autoComplete="off"
        aria-label="Value of the secret"
        placeholder="Value"
        value={value}
        onChange={(event) => setValue(event.target.value)}
      />
      <ActButton
        text="Set"
        disabled={app === '' || name === '' || value === ''}
        done={`${name} is set; functions that name it get new instances.`}
        ask={
          isReplaced ? (
            <p>
              {name} of {app} has a value, which is lost. Functions that name it get new instances with this
              one.
            </p>
          ) : undefined
        }
        act={async () => {
          await call('PUT', pathOf('apps', app, 'secrets', name), { json: { value } });
          setValue('');
        }}
      />
    </div>
  );
}
