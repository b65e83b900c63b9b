import { type Clock, delay } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import { type Address, type Connection, resolveAddress, secretsOf } from '../model/connection.ts';
import type { AppName, FunctionName } from '../model/function.ts';
import type { Trigger } from '../model/trigger.ts';
import type { ConnectionCheck, ConnectionDriver } from '../ports/connection-driver.ts';
import type { ConnectionReport, Connections, ConnectionView } from '../ports/connections.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { Secrets } from '../ports/secrets.ts';
import { checkReach } from './check-reach.ts';

/*
 * The connections of live apps: what there is, and whether they hold. A test goes the way that a trigger goes, one step
 * after another, and says at which it ends and what mends that; it changes nothing at the other side.
 *
 * Deliberately absent: a watch over connections. Whoever uses one says at once when it breaks (`lambent triggers`).
 */

/** All that a driver does in one test. */
const CHECK_MS_MAX = 20_000;

export interface ConnectionsOptions {
  readonly liveApps: LiveApps;
  readonly secrets: Secrets;
  readonly drivers: readonly ConnectionDriver[];
  readonly clock: Clock;
}

interface Found {
  readonly connection: Connection;
  /** Those that read from it. */
  readonly triggers: readonly Trigger[];
  /** Those that may send through it. */
  readonly senders: readonly FunctionName[];
}

export function createConnections(options: ConnectionsOptions): Connections {
  const { liveApps, drivers } = options;
  // A test that is under way answers everybody who asks for it.
  const running = new Map<string, Promise<ConnectionReport>>();
  return {
    list: () =>
      liveApps
        .snapshot()
        .flatMap(({ live: { app } }) =>
          [...find(liveApps, app)].map(([name, found]) => viewOf(app, name, found, drivers)),
        ),
    async test(app, name) {
      const found = find(liveApps, app).get(name);
      if (found === undefined)
        throw new LambentError('E_NOT_FOUND', `The app ${app} has no connection ${name}.`, {
          hint: '`lambent connections` lists them.',
        });
      const key = `${app}/${name}`;
      const test = running.get(key) ?? testOne(app, found, options).finally(() => running.delete(key));
      running.set(key, test);
      return test;
    },
  };
}

/** By name. Of two deployments that share the traffic, the newer one's settings count. */
function find(liveApps: LiveApps, app: AppName): Map<string, Found> {
  const found = new Map<string, Found>();
  for (const { connections, triggers, functions } of liveApps.find(app)?.deployments ?? [])
    for (const connection of connections)
      found.set(connection.name!, {
        connection,
        triggers: triggers.filter(
          ({ source }) => 'connection' in source && source.connection.name === connection.name,
        ),
        senders: functions
          .filter(({ config }) => config.connections?.includes(connection.name!) === true)
          .map((each) => each.name),
      });
  return found;
}

function viewOf(
  app: AppName,
  name: string,
  { connection, triggers, senders }: Found,
  drivers: readonly ConnectionDriver[],
): ConnectionView {
  const { kind, at, tls } = connection;
  const driver = drivers.find((each) => each.kind === kind);
  const usual = tls === undefined ? driver?.port : (driver?.tls ?? driver)?.port;
  return {
    ...{ app, name, kind },
    place: at.kind === 'url' ? `secret ${at.url}` : `${at.host}:${at.port ?? usual}`,
    secrets: secretsOf(connection),
    triggers: triggers.map((trigger) => trigger.name),
    functions: senders,
  };
}

async function testOne(
  app: AppName,
  found: Found,
  { liveApps, secrets, drivers, clock }: ConnectionsOptions,
): Promise<ConnectionReport> {
  const { connection, triggers, senders } = found;
  const { kind, name } = connection;
  const driver = drivers.find((each) => each.kind === kind)!;
  const lookUp = (secret: string): string | undefined =>
    secrets.valueOf(app, secret) ??
    [...triggers.map(({ function: owner }) => owner), ...senders]
      .map((owner) => liveApps.resolve(app, owner)?.version.config.env[secret])
      .find((value) => value !== undefined);
  const checks: ConnectionCheck[] = [checkSecrets(app, connection, lookUp)];
  if (checks[0]!.ok) {
    const address = resolveAddress(connection, lookUp);
    checks.push(...(await checkReach(address, driver, clock)));
    if (checks.every(({ ok }) => ok)) checks.push(...(await checkInside(driver, address, triggers, clock)));
  }
  return { app, name: name!, kind, ok: checks.every(({ ok }) => ok), checks };
}

function checkSecrets(
  app: AppName,
  connection: Connection,
  lookUp: (secret: string) => string | undefined,
): ConnectionCheck {
  const names = secretsOf(connection);
  const missing = names.filter((secret) => (lookUp(secret) ?? '') === '');
  if (missing.length === 0) {
    const text = names.length === 0 ? 'It needs none.' : `There is a value for ${names.join(', ')}.`;
    return { name: 'secrets', ok: true, text };
  }
  return {
    name: 'secrets',
    ok: false,
    text: `There is no value for ${missing.join(', ')}.`,
    fix: missing.map((secret) => `lambent secrets set ${app} ${secret}`).join(' && '),
  };
}

async function checkInside(
  driver: ConnectionDriver,
  address: Address,
  triggers: readonly Trigger[],
  clock: Clock,
): Promise<readonly ConnectionCheck[]> {
  const late = delay(clock, CHECK_MS_MAX).then((): readonly ConnectionCheck[] => [
    {
      ...{
        name: 'login',
        ok: false,
        text: `The service took the connection, and then nothing came for ${CHECK_MS_MAX / 1_000} s.`,
      },
      fix: 'Look at the service itself, and whether something else listens at its address.',
    },
  ]);
  const sources = triggers.map(({ source }) => source);
  return Promise.race([driver.check(address, sources), late]);
}
