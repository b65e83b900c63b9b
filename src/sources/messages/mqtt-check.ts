import { systemClock } from '../../base/clock.ts';
import type { Address } from '../../model/connection.ts';
import type { MqttSource } from '../../model/message-source.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';
import { explainBrokerFailure } from './broker-failure.ts';
import { connectMqtt, type MqttConnection } from './mqtt-connection.ts';
import { problemOf, subscribe } from './mqtt-topic.ts';

/**
 * With client ids of its own, so that no session of a trigger is touched, but with the triggers' own beginnings: brokers
 * let clients in by these.
 */
export async function checkMqtt(
  address: Address,
  sources: readonly TriggerSource[],
): Promise<ConnectionCheck[]> {
  const topics = sources.filter((source) => source.kind === 'mqtt');
  const checks: ConnectionCheck[] = [];
  try {
    for (const client of new Set(topics.length === 0 ? [undefined] : topics.map((source) => source.client))) {
      const clientId = `${client ?? 'lambent'}-test`;
      const connection = await connectMqtt(address, { clock: systemClock, clientId, isKept: false });
      const version = connection.version === 5 ? '5' : '3.1.1';
      checks.push({ name: 'login', ok: true, text: `The broker lets ${clientId} in, with MQTT ${version}.` });
      try {
        checks.push(
          ...(await checkTopics(
            connection,
            topics.filter((source) => source.client === client),
            address,
          )),
        );
      } finally {
        await connection.close();
      }
    }
  } catch (error) {
    checks.push(explainBrokerFailure(error, address.url));
  }
  return checks;
}

/** Nothing that is retained is asked for, and what comes meanwhile goes with the connection. */
async function checkTopics(
  connection: MqttConnection,
  sources: readonly MqttSource[],
  { url }: Address,
): Promise<ConnectionCheck[]> {
  const checks: ConnectionCheck[] = [];
  let answered = Promise.withResolvers<Error | undefined>();
  let asked: MqttSource | undefined;
  connection.listen((packet) => {
    if (packet.cmd === 'suback') answered.resolve(problemOf(packet, asked!));
  });
  for (const source of sources) {
    const name = `topic ${source.topic}`;
    asked = source;
    answered = Promise.withResolvers();
    subscribe(connection, { ...source, from: 'new' });
    const problem = await Promise.race([answered.promise, connection.lost]);
    checks.push(
      problem === undefined
        ? { name, ok: true, text: 'It may be subscribed to.' }
        : { ...explainBrokerFailure(problem, url, name), name },
    );
  }
  return checks;
}
