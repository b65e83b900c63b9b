import { LambentError } from '../base/errors.ts';
import { nearestOf } from '../base/nearest.ts';
import type { ApiClient } from './api-client.ts';
import type { AppView, FunctionView } from './api-views.ts';
import { quoted, usage } from './arguments.ts';
import { listAll } from './list-all.ts';

export interface FunctionName {
  readonly app: string;
  readonly name: string;
}

/**
 * The function or workflow that a person named: `app/name`, or `name` alone where that is enough.
 * `E_NOT_FOUND` with the nearest name; `E_USAGE` where several apps have one.
 */
export async function chooseFunction(
  client: ApiClient,
  given: string,
  app: string | undefined,
  what: 'function' | 'workflow' = 'function',
): Promise<FunctionName> {
  const slash = given.indexOf('/');
  const wanted =
    slash < 0 ? { app, name: given } : { app: given.slice(0, slash), name: given.slice(slash + 1) };
  const items = await listAll<FunctionView>(client, '/functions');
  // While two deployments share an app's traffic, both list their functions: by name they are one.
  const found = new Map(
    items
      .filter((item) => item.name === wanted.name && (wanted.app === undefined || item.app === wanted.app))
      .map((item) => [`${item.app}/${item.name}`, { app: item.app, name: item.name }]),
  );
  const [first] = found.values();
  if (first !== undefined && found.size === 1) return first;
  if (first !== undefined) {
    const names = [...found.keys()].join(', ');
    throw usage(`Several apps have a ${what} ${quoted(given)}`, `Name one of them: ${names}.`);
  }
  const known = items.flatMap((item) => [item.name, `${item.app}/${item.name}`]);
  const meant = nearestOf(given, known);
  const suggestion = meant === undefined ? '' : `Did you mean ${meant}? `;
  throw new LambentError('E_NOT_FOUND', `There is no ${what} ${quoted(given)} at ${client.address}.`, {
    hint:
      items.length === 0
        ? 'Nothing is deployed there yet.'
        : `${suggestion}\`lambent ls\` lists the functions.`,
  });
}

/** The app that a person named, or the only one there is. */
export async function chooseApp(client: ApiClient, given: string | undefined): Promise<AppView> {
  const items = await listAll<AppView>(client, '/apps');
  const found = given === undefined ? items[0] : items.find((item) => item.app === given);
  const names = items.map((item) => item.app);
  if (items.length === 0) {
    throw new LambentError('E_NOT_FOUND', `No app is deployed at ${client.address}.`, {
      hint: 'Deploy one with `lambent deploy FOLDER`.',
    });
  }
  if (given === undefined && items.length > 1) {
    throw usage('There is more than one app', `Name one of them: ${names.join(', ')}.`);
  }
  if (found !== undefined) return found;
  const meant = nearestOf(given ?? '', names);
  throw new LambentError('E_NOT_FOUND', `There is no app ${quoted(given ?? '')} at ${client.address}.`, {
    hint: meant === undefined ? `There are: ${names.join(', ')}.` : `Did you mean ${meant}?`,
  });
}

/** `12`, and `d12` as in the name of a preview host. */
export function parseDeploymentNumber(what: string, given: string): number {
  const digits = /^d?([1-9]\d{0,8})$/.exec(given)?.[1];
  if (digits !== undefined) return Number(digits);
  throw usage(
    `${what} cannot be ${quoted(given)}`,
    'Give the number of a deployment; `lambent deployments` lists them.',
  );
}

/** `d3`, or `d2 90 % + d3 10 %`. */
export function formatTraffic(
  traffic: readonly { readonly number: number; readonly weight: number }[],
): string {
  if (traffic.length === 0) return 'nothing is live';
  if (traffic.length === 1) return `d${traffic[0]!.number}`;
  return traffic.map((share) => `d${share.number} ${share.weight} %`).join(' + ');
}
