/** Apache Kafka itself as a server of one test: one broker that is its own controller. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Admin, type MessageToProduce, Producer } from '@platformatic/kafka';
import { kafkaOptions } from '../src/sources/messages/kafka-client.ts';
import { loadKafka } from '../src/sources/messages/kafka-connections.ts';
import { type BrokerProgram, type BrokerServer, freePort } from './broker-servers.ts';
import { javaServer } from './java-program.ts';
import { makeCertificate } from './test-certificate.ts';

// The tests’ own clients outlive a broker’s death as well.
await loadKafka();

const java = await javaServer('kafka');
const classPath = 'classPath' in java ? java.classPath : '';
const JAVA = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xlog:disable', '-cp', classPath];
export const KAFKA_PASSWORD = 'right-password';

/** By a server's folder: where it listens for TLS, and its certificate. */
const encrypted = new Map<string, { readonly port: number; readonly pem: string }>();

export const kafkaTls = ({ folder }: BrokerServer) => encrypted.get(folder)!;

export const kafkaUrl = ({ port }: BrokerServer): string =>
  `kafka://lambent:${KAFKA_PASSWORD}@127.0.0.1:${port}`;
export const kafkaClientOptions = (server: BrokerServer) =>
  kafkaOptions({ label: '', url: kafkaUrl(server), tls: undefined }, 'test');

/** Why it cannot run here; `false`: it can. */
export const kafkaUnavailable: string | false = 'missing' in java && java.missing;

export const KAFKA: BrokerProgram = {
  program: 'java',
  debian: 'default-jre-headless',
  args: (folder) => [...JAVA, 'kafka.Kafka', join(folder, 'kafka.properties')],
  prepare,
};

async function prepare(folder: string, port: number): Promise<void> {
  const controller = await freePort();
  const tlsPort = await freePort();
  const certificate = await makeCertificate(folder);
  encrypted.set(folder, { port: tlsPort, pem: certificate.pem });
  const pem = join(folder, 'both.pem');
  await writeFile(pem, (await readFile(certificate.keyFile, 'utf8')) + certificate.pem);
  const login = 'org.apache.kafka.common.security';
  const plain = `${login}.plain.PlainLoginModule required username="lambent" password="${KAFKA_PASSWORD}" user_lambent="${KAFKA_PASSWORD}";`;
  const logins = Object.fromEntries(
    ['sasl_plaintext', 'sasl_ssl'].flatMap((listener) => [
      [`listener.name.${listener}.plain.sasl.jaas.config`, plain],
      [
        `listener.name.${listener}.scram-sha-256.sasl.jaas.config`,
        `${login}.scram.ScramLoginModule required;`,
      ],
    ]),
  );
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `SASL_PLAINTEXT://127.0.0.1:${port},SASL_SSL://127.0.0.1:${tlsPort},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `SASL_PLAINTEXT://127.0.0.1:${port},SASL_SSL://127.0.0.1:${tlsPort}`,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': pem,
    'inter.broker.listener.name': 'SASL_PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    ...logins,
    'log.dirs': join(folder, 'data'),
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    // What was acknowledged outlives the machine's crash as well.
    'log.flush.interval.messages': '1',
    'message.max.bytes': String(4 * 1024 * 1024),
  };
  const file = join(folder, 'kafka.properties');
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(file, lines.join(''));
  // As a text it begins with another letter than a dash, which would be an option.
  const cluster = Buffer.from(`0${randomUUID().replaceAll('-', '').slice(1)}`, 'hex').toString('base64url');
  const user = `SCRAM-SHA-256=[name=scrambled,password=${KAFKA_PASSWORD}]`;
  const format = ['kafka.tools.StorageTool', 'format', '-t', cluster, '-c', file, '--add-scram', user];
  await promisify(execFile)('java', [...JAVA, ...format]);
}

export async function withAdmin<T>(server: BrokerServer, act: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin(kafkaClientOptions(server));
  try {
    return await act(admin);
  } finally {
    await admin.close();
  }
}

export async function produce(
  server: BrokerServer,
  messages: readonly MessageToProduce<Buffer, Buffer, Buffer, Buffer>[],
  compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd' = 'none',
): Promise<void> {
  const producer = new Producer({ ...kafkaClientOptions(server), idempotent: true });
  try {
    await producer.send({ messages: [...messages], acks: -1, compression });
  } finally {
    await producer.close();
  }
}

export const makeTopic = (server: BrokerServer, name: string, partitions = 1): Promise<unknown> =>
  withAdmin(server, (admin) => admin.createTopics({ topics: [name], partitions, replicas: 1 }));
