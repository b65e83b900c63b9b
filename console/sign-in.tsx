import { type FormEvent, useState } from 'react';
import { call } from './api.ts';
import { Problem } from './parts/panel.tsx';
import { queryClient } from './query-client.ts';

/** Takes a token once; from then on the browser has it as a cookie, which no script can read. */
export function SignIn() {
  const [token, setToken] = useState('');
  const [error, setError] = useState<Error | null>(null);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    try {
      await call('POST', '/sign-in', { json: { token: token.trim() } });
      setToken('');
      await queryClient.resetQueries();
    } catch (thrown) {
      setError(thrown as Error);
    }
  };
  return (
    <main className="signin">
      <form className="panel" onSubmit={(event) => void submit(event)}>
        <h1>Sign in to Lambent</h1>
        <p className="soft" style={{ margin: 0 }}>
          With a token of this server: the one that <code>lambent start</code> printed first, or one of{' '}
          <code>lambent tokens create</code>.
        </p>
        <label className="stack">
          Token
          <input
            className="field"
            type="password"
            autoComplete="off"
            spellCheck={false}
            required
            value={token}
            onChange={(event) => setToken(event.target.value)}
          />
        </label>
        <Problem error={error} />
        <button type="submit" className="btn main">
          Sign in
        </button>
      </form>
    </main>
  );
}

export function SignOutButton({ name }: { name: string }) {
  const signOut = async (): Promise<void> => {
    await call('POST', '/sign-out');
    await queryClient.resetQueries();
  };
  return (
    <button type="button" className="btn small" onClick={() => void signOut()}>
      Sign out {name}
    </button>
  );
}
