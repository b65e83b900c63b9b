/** A finding that is accepted, because the rule would make the code worse. An entry that nothing needs is itself a finding. */
export interface Allowance {
  readonly rule: string;
  readonly file: string;
  /** What the finding names: the call, the function. `*`: every finding of the rule in this file. */
  readonly what: string;
  readonly reason: string;
}

/** Every exception of `tidy.test.ts`. There is no other way to switch a rule off. */
export const ALLOWED: readonly Allowance[] = [
  {
    rule: 'banned-call',
    file: 'src/base/clock.ts',
    what: '*',
    reason: 'The one place where time enters.',
  },
  {
    rule: 'banned-call',
    file: 'src/base/random.ts',
    what: '*',
    reason: 'The one place where randomness enters.',
  },
  {
    rule: 'test-only',
    file: 'sdk/go/test-go.ts',
    what: '*',
    reason: 'Finds the Go of this machine for tests, and says so where there is none.',
  },
  {
    rule: 'banned-call',
    file: 'src/spawner/spawner.ts',
    what: 'process.exit',
    reason: 'A program of its own, which must not outlive the platform whatever its children hold open.',
  },
  {
    rule: 'banned-call',
    file: 'src/server/fault-watch.ts',
    what: 'process.exit',
    reason:
      'After an exception that nobody caught nothing of the process is to be trusted, its shutdown included.',
  },
  {
    rule: 'banned-call',
    file: 'src/functions/read/config-worker.ts',
    what: 'process.exit',
    reason: 'A program of its own, which ends with its answer whatever the configuration holds open.',
  },
  {
    rule: 'install-script',
    file: 'bench/package-lock.json',
    what: 'workerd',
    reason:
      'A peer, installed with --ignore-scripts; its program is a package too, which bench/peers.ts starts.',
  },
  {
    rule: 'install-script',
    file: 'bench/package-lock.json',
    what: 'esbuild',
    reason: 'Comes with serverless-offline, installed with --ignore-scripts, and is not used in the race.',
  },
  {
    rule: 'install-script',
    file: 'bench/package-lock.json',
    what: 'es5-ext',
    reason: 'Comes with osls, installed with --ignore-scripts; its script only prints a text.',
  },
  {
    rule: 'test-only',
    file: 'src/cli/test-terminal.ts',
    what: '*',
    reason: 'What every test of a command runs it with.',
  },
  {
    rule: 'test-only',
    file: 'src/cli/stand-in-server.ts',
    what: '*',
    reason: 'The API as the tests of commands need it, answers that the real one never gives included.',
  },
  {
    rule: 'test-only',
    file: 'src/workflows/asl/test-driver.ts',
    what: '*',
    reason: 'Drives the ASL machine in its tests, with time that jumps.',
  },
];
