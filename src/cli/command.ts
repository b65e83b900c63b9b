import type { ExitCode } from './exit-code.ts';
import type { Terminal } from './terminal.ts';

/** One option of a command, for parsing and for `--help`. */
export interface OptionSpec {
  /** `text` takes a value, `flag` does not, `list` may be given several times. */
  readonly kind: 'text' | 'flag' | 'list';
  /** What stands for the value in `--help`, as `URL`. */
  readonly value?: string;
  readonly short?: string;
  /** One line, starting in lower case. */
  readonly text: string;
}

export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** One positional argument. */
export interface PositionalSpec {
  /** `folder`, `NAME`. */
  readonly name: string;
  readonly required: boolean;
  /** It takes all that follow. */
  readonly repeats?: boolean;
}

/** The command line of one command, parsed. Every accessor throws `E_USAGE` for a value it cannot take. */
export interface Arguments {
  readonly positionals: readonly string[];
  flag(name: string): boolean;
  /** `undefined` when it was not given. */
  text(name: string): string | undefined;
  list(name: string): readonly string[];
  /** A whole number from `least` to `most`; `undefined` when it was not given. */
  wholeNumber(name: string, least: number, most: number): number | undefined;
  /** One of the given words; `undefined` when it was not given. */
  choice<Word extends string>(name: string, words: readonly Word[]): Word | undefined;
}

/** One command of `lambent`: what it is called, what it takes, what it does. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly positionals: readonly PositionalSpec[];
  readonly options: OptionTable;
  /** Paragraphs for `--help`, where the summary does not say enough. */
  readonly details?: string;
  /** A command line and what it is good for. At least one. */
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  run(args: Arguments, terminal: Terminal): Promise<ExitCode>;
}

/** For commands that talk to a running platform. */
export const SERVER_OPTIONS: OptionTable = {
  to: { kind: 'text', value: 'URL', text: 'the server (else $LAMBENT_URL, else http://localhost:5262)' },
  server: { kind: 'text', value: 'URL', text: 'the same as --to' },
  token: { kind: 'text', value: 'TOKEN', text: 'its token (else $LAMBENT_TOKEN); `lambent dev` needs none' },
};

/** For commands that print data. */
export const JSON_OPTION: OptionTable = {
  json: { kind: 'flag', text: 'print one JSON document instead of text' },
};

/** For commands where something listens. */
export const LISTEN_OPTIONS: OptionTable = {
  port: {
    kind: 'text',
    short: 'p',
    value: 'PORT',
    text: 'the port (else $LAMBENT_PORT, else 5262; 0: any free one)',
  },
  host: {
    kind: 'text',
    value: 'ADDRESS',
    text: 'the address to listen on (else $LAMBENT_HOST, else 127.0.0.1)',
  },
  domain: {
    kind: 'text',
    value: 'NAME',
    text: 'give apps and previews hosts below it (else $LAMBENT_DOMAIN)',
  },
  data: { kind: 'text', value: 'FOLDER', text: 'where deployments, history and logs are kept' },
  'allow-network': {
    kind: 'list',
    value: 'ENTRY',
    text: 'a private host that state machines of the AWS API may call',
  },
  'allow-build-host': {
    kind: 'list',
    value: 'HOST',
    text: 'a private host that builds of uploads may reach (host or host:port)',
  },
  'allow-folder': {
    kind: 'list',
    value: 'FOLDER',
    text: 'a folder of this machine that triggers may watch (dev: any)',
  },
  'keep-events': {
    kind: 'text',
    value: 'AGE',
    text: 'how long events are kept (else $LAMBENT_KEEP_EVENTS, else 7d)',
  },
  'keep-events-size': {
    kind: 'text',
    value: 'SIZE',
    text: 'how much of them, as 500mb or 4gb (else $LAMBENT_KEEP_EVENTS_SIZE, else 4gb)',
  },
  'keep-dead-letters': {
    kind: 'text',
    value: 'AGE',
    text: 'how long dead letters are kept (else $LAMBENT_KEEP_DEAD_LETTERS, else 30d)',
  },
  isolation: {
    kind: 'text',
    value: 'DRIVER',
    text: 'best, or process: plain processes (else $LAMBENT_ISOLATION, else best)',
  },
};
