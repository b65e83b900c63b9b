import type { Clock } from '../../base/clock.ts';
import type { Address } from '../../model/connection.ts';
import type { MqttSource } from '../../model/message-source.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';
import { checkNamed } from './check-broker.ts';
import { connectMqtt, type MqttConnection } from './mqtt-connection.ts';
import { problemOf, subscribe } from './mqtt-topic.ts';

/**
 * With client ids of its own, so that no session of a trigger is touched, but with the triggers' own beginnings: brokers
 * let clients in by these.
 */
export async function* checkMqtt(
  address: Address,
  sources: readonly TriggerSource[],
  clock: Clock,
): AsyncGenerator<ConnectionCheck, void, undefined> {
  const topics = sources.filter((source) => source.kind === 'mqtt');
  for (const client of new Set(topics.length === 0 ? [undefined] : topics.map((source) => source.client))) {
    const clientId = `${client ?? 'lambent'}-test`;
    const connection = await connectMqtt(address, { clock, clientId, isKept: false });
    try {
      const version = connection.version === 5 ? '5' : '3.1.1';
      yield { name: 'login', ok: true, text: `The broker lets ${clientId} in, with MQTT ${version}.` };
      yield* checkTopics(
        connection,
        topics.filter((source) => source.client === client),
        address,
      );
    } finally {
      await connection.close();
    }
  }
}

/** Nothing that is retained is asked for, and what comes meanwhile goes with the connection. */
async function* checkTopics(
  connection: MqttConnection,
  sources: readonly MqttSource[],
  address: Address,
): AsyncGenerator<ConnectionCheck, void, undefined> {
  let answered = Promise.withResolvers<Error | undefined>();
  let asked: MqttSource | undefined;
  connection.listen((packet) => {
    if (packet.cmd === 'suback') answered.resolve(problemOf(packet, asked!));
  });
  for (const source of sources) {
    asked = source;
    answered = Promise.withResolvers();
    subscribe(connection, { ...source, from: 'new' });
    const problem = await Promise.race([answered.promise, connection.lost]);
    yield await checkNamed(`topic ${source.topic}`, address, async () => {
      if (problem !== undefined) throw problem;
      return 'It may be subscribed to.';
    });
  }
}
