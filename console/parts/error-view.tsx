import type { InvocationError } from '../answers.ts';

/** Why a call failed: the error as the function threw it, with its stack as the author's files have it. */
export function ErrorView({ error }: { error: InvocationError }) {
  return (
    <div style={{ display: 'grid', gap: 10 }}>
      <div className="note bad">
        <strong>{error.errorType}</strong>
        <p style={{ overflowWrap: 'anywhere' }}>{error.errorMessage}</p>
        <code className="soft">{error.code}</code>
      </div>
      {error.stackTrace.length === 0 ? null : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
        <section className="box" tabIndex={0} aria-label="Stack">
          <pre>{error.stackTrace.join('\n')}</pre>
        </section>
      )}
    </div>
  );
}
