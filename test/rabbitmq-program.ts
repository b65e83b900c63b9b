import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BrokerProgram, NAMES_PORT_STEP } from './broker-servers.ts';

/** Erlang's own table of names, beside the broker's port: the machine's is left alone. */
const namesPort = (port: number): number => port + NAMES_PORT_STEP;

/** As RabbitMQ stores it: four bytes of salt, and SHA-256 over them and the password. */
export function rabbitUser(name: string): Record<string, unknown> {
  const salt = Buffer.from('salt');
  const digest = createHash('sha256').update(salt).update('right-password').digest();
  const password_hash = Buffer.concat([salt, digest]).toString('base64');
  return { name, password_hash, hashing_algorithm: 'rabbit_password_hashing_sha256', tags: '' };
}

export interface RabbitSettings {
  /** Users, virtual hosts and so on that it begins with. */
  readonly definitions: object;
  /** Lines of its configuration: where it listens. */
  readonly config: (folder: string, port: number) => string;
}

/** A RabbitMQ of one test alone. */
export function rabbitMq({ definitions, config }: RabbitSettings): BrokerProgram {
  return {
    // What Debian has on the PATH runs as another user.
    program: '/usr/lib/rabbitmq/bin/rabbitmq-server',
    debian: 'rabbitmq-server',
    async prepare(folder, port) {
      await mkdir(join(folder, 'plugins'));
      await writeFile(join(folder, 'enabled_plugins'), '[].');
      await writeFile(
        join(folder, 'rabbitmq.conf'),
        `${config(folder, port)}\nload_definitions = ${join(folder, 'definitions.json')}\n`,
      );
      await writeFile(join(folder, 'definitions.json'), JSON.stringify(definitions));
    },
    companion: (port) => ({
      program: 'epmd',
      args: ['-port', String(namesPort(port)), '-address', '127.0.0.1'],
    }),
    args: () => [],
    env: (folder, port) => ({
      HOME: folder,
      ERL_EPMD_PORT: String(namesPort(port)),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: `test${port}@localhost`,
      RABBITMQ_DIST_PORT: String(namesPort(port) + 1),
      RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_PID_FILE: join(folder, 'pid'),
      RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
      // The other form of its log wants the machine to have a name.
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-syslog protocol rfc5424',
    }),
  };
}
