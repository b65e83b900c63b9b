import { parseArgs } from 'node:util';
import { LambentError } from '../base/errors.ts';
import { nearestOf } from '../base/nearest.ts';
import type { Arguments, Command, OptionTable } from './command.ts';

/** Parses what follows the command's name; throws `E_USAGE`, with the nearest option where one was mistyped. */
export function parseArguments(command: Command, args: readonly string[]): Arguments {
  const { values, positionals } = parseOptions(command, args);
  checkPositionals(command, positionals);
  const text = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    positionals,
    text,
    flag: (name) => values[name] === true,
    list: (name) => (Array.isArray(values[name]) ? values[name] : []),
    wholeNumber(name, least, most) {
      const given = text(name);
      return given === undefined ? undefined : parseWholeNumber(`--${name}`, given, least, most);
    },
    choice(name, words) {
      const given = text(name);
      const word = words.find((candidate) => candidate === given);
      if (given === undefined || word !== undefined) return word;
      const meant = nearestOf(given, words);
      throw usage(
        `--${name} cannot be ${quoted(given)}`,
        `It is one of ${words.join(', ')}.${meant === undefined ? '' : ` Did you mean ${meant}?`}`,
      );
    },
  };
}

/** Throws `E_USAGE`; `what` is as the person knows it: `--port`, `the weight of d3`. */
export function parseWholeNumber(what: string, given: string, least: number, most: number): number {
  const number = /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw usage(
    `${what} cannot be ${quoted(given)}`,
    `Give a whole number ${most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`}.`,
  );
}

export function usage(message: string, hint: string): LambentError {
  return new LambentError('E_USAGE', `${message}.`, { hint });
}

export function quoted(text: string): string {
  return JSON.stringify(text);
}

type Values = Record<string, string | boolean | (string | boolean)[] | string[] | undefined>;

function parseOptions(
  command: Command,
  args: readonly string[],
): { values: Record<string, string | boolean | string[] | undefined>; positionals: string[] } {
  try {
    const parsed = parseArgs({
      args: [...args],
      options: parseConfig(command.options),
      allowPositionals: true,
    });
    return {
      values: parsed.values as Values as Record<string, string | boolean | string[] | undefined>,
      positionals: parsed.positionals,
    };
  } catch (thrown) {
    throw explain(command, thrown);
  }
}

function parseConfig(options: OptionTable) {
  const config: Record<string, { type: 'string' | 'boolean'; multiple?: boolean; short?: string }> = {};
  for (const [name, option] of Object.entries(options)) {
    config[name] = {
      type: option.kind === 'flag' ? 'boolean' : 'string',
      multiple: option.kind === 'list',
      ...(option.short === undefined ? {} : { short: option.short }),
    };
  }
  return config;
}

/** Says in our words what `parseArgs` found. */
function explain(command: Command, thrown: unknown): LambentError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  const option = /'(?:-\w, )?(--?[^'= <]+)/.exec(message)?.[1] ?? '';
  const help = `\`lambent ${command.name} --help\` lists its options.`;
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const meant = nearestOf(option.replace(/^-+/, ''), Object.keys(command.options));
    const suggestion = meant === undefined || !option.startsWith('--') ? '' : `Did you mean --${meant}? `;
    return usage(`\`lambent ${command.name}\` has no option ${option}`, suggestion + help);
  }
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') {
    const name = option.replace(/^-+/, '');
    const takesNone = command.options[name]?.kind === 'flag';
    if (takesNone) return usage(`${option} takes no value`, help);
    return usage(
      `${option} needs a value`,
      `A value that begins with a dash is written ${option}=VALUE. ${help}`,
    );
  }
  return usage(message.replace(/\.$/, ''), help);
}

function checkPositionals(command: Command, positionals: readonly string[]): void {
  const missing = command.positionals.filter((spec) => spec.required)[positionals.length];
  const help = `\`lambent ${command.name} --help\` shows how it is used.`;
  if (missing !== undefined) throw usage(`\`lambent ${command.name}\` needs ${missing.name}`, help);
  if (command.positionals.some((spec) => spec.repeats === true)) return;
  const surplus = positionals[command.positionals.length];
  if (surplus === undefined) return;
  throw usage(`\`lambent ${command.name}\` does not know what to do with ${quoted(surplus)}`, help);
}
