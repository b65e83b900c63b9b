/** What every error of one code has in common. */
export interface ErrorFacts {
  /** HTTP status where the error leaves through HTTP. */
  status: number;
  /** Who can mend it: the one who calls, the one who wrote the function or app, or the one who runs the platform. */
  fault: 'caller' | 'author' | 'operator';
  /** Whether the same act can succeed later without anybody changing anything. */
  retryable: boolean;
  /** What the code means, for docs/errors.md. */
  meaning: string;
  /** What to do next, when the case at hand has nothing more exact to say. */
  hint: string;
}

type Fault = ErrorFacts['fault'];

/** A row of the table of codes. */
export const row = (
  status: number,
  fault: Fault,
  retryable: boolean,
  meaning: string,
  hint: string,
): ErrorFacts => ({
  status,
  fault,
  retryable,
  meaning,
  hint,
});
